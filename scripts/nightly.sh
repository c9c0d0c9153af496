#!/usr/bin/env bash
# One night's full-ingest, for cron and systemd: scripts/nightly.sh [options of full-ingest]
#
# The run is called nightly-<day in UTC>: a second try goes on where the first one stopped, and a start after a good run has
# nothing to do. Only status 1 and 4 may be better the next time: PAGELAKE_TRIES tries in all (3), PAGELAKE_RETRY_S seconds
# apart (600). The exit status is that of the last try.
set -uo pipefail

tries=${PAGELAKE_TRIES:-3}
pause_s=${PAGELAKE_RETRY_S:-600}
if ! [[ $tries =~ ^[1-9][0-9]{0,2}$ && $pause_s =~ ^[0-9]{1,6}$ ]]; then
    echo "PAGELAKE_TRIES=$tries PAGELAKE_RETRY_S=$pause_s: must be whole numbers, the first at least 1" >&2
    exit 2
fi
root=$(CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.." && pwd -P)
run_id=nightly-$(date -u +%F) # once, so that tries after midnight go on with the same run
child=''
stopped=''

stop() {
    stopped=yes
    [[ -z $child ]] || kill -TERM "$child" 2>/dev/null
}
trap stop TERM INT

# Runs a command to its end, which a signal to this script brings about: it is passed on. Its status is in `status`.
run() {
    "$@" &
    child=$!
    [[ -z $stopped ]] || stop # the signal came before there was a child
    wait "$child"
    status=$?
    while kill -0 "$child" 2>/dev/null; do # the wait was cut short by the signal
        wait "$child"
        status=$?
    done
    child=''
}

for ((try = 1; ; try++)); do
    run "$root/spark-submit.sh" full-ingest "$@" --resume "$run_id"
    [[ $status == 1 || $status == 4 ]] || exit "$status"
    ((try < tries)) || exit "$status"
    [[ -z $stopped ]] || exit "$status"
    echo "Try $try of $tries ended with status $status; the next one begins in $pause_s s." >&2
    ended_as=$status
    run sleep "$pause_s"
    [[ -z $stopped ]] || exit "$ended_as"
done
