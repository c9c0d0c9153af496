#!/usr/bin/env bash
# Gets the scripts that draw the charts of the site and the graphs of its data docs, so that its pages need no other host.
#
#   scripts/site_assets.sh TARGET_DIR
#
# Without Node, or where npm cannot get the packages, it says so on stderr, makes no TARGET_DIR and ends with 0: charts and graphs
# are then left out. TARGET_DIR appears all at once, complete; where it is up to date, nothing is done.
set -euo pipefail

if [ $# -ne 1 ]; then
  echo "usage: scripts/site_assets.sh TARGET_DIR" >&2
  exit 2
fi

target="${1%/}"
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
packages="$root/conf/site-assets"

# One line for each file: where it is in node_modules, and its name below TARGET_DIR.
files='
vega/build/vega.min.js js/vega.min.js
vega-lite/build/vega-lite.min.js js/vega-lite.min.js
vega-embed/build/vega-embed.min.js js/vega-embed.min.js
'
stamp="$({ printf '%s' "$files"; cat "$packages/package-lock.json"; } | cksum)"

if [ -f "$target/.stamp" ] && [ "$(cat "$target/.stamp")" = "$stamp" ]; then
  exit 0
fi

left_out() {
  echo "site assets: $1; charts and graphs will be left out" >&2
  exit 0
}

command -v node >/dev/null 2>&1 || left_out "Node is not there"
command -v npm >/dev/null 2>&1 || left_out "npm is not there"

mkdir -p "$(dirname "$target")"
# Beside the target, so that the last step is a rename.
work="$(mktemp -d "$target.new.XXXXXX")"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

mkdir "$work/npm"
cp "$packages/package.json" "$packages/package-lock.json" "$work/npm/"
if ! (cd "$work/npm" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >"$work/npm.log" 2>&1; then
  tail -n 3 "$work/npm.log" >&2
  left_out "npm could not get the packages"
fi

mkdir -p "$work/files/js"
while read -r from to; do
  [ -n "$from" ] || continue
  cp "$work/npm/node_modules/$from" "$work/files/$to" || left_out "the package of $to has no such file"
done <<<"$files"
printf '%s\n' "$stamp" >"$work/files/.stamp"
chmod -R u=rwX,go=rX "$work/files"

rm -rf "$target"
mv "$work/files" "$target"
# What a killed run left beside the target a day ago or more.
find "$(dirname "$target")" -maxdepth 1 -name "$(basename "$target").new.*" -mtime +0 -exec rm -rf {} +
