#!/usr/bin/env bash
# One night, for cron and systemd: scripts/nightly.sh [options of full-ingest]
#
# full-ingest, and once that has published, build-recommendations, if the source has a block recommend:. The run is called
# nightly-<day in UTC>: a second try goes on where the first one stopped, and a start after a good run has nothing to fetch.
# Only status 1 and 4 may be better the next time: PAGELAKE_TRIES tries of each job (3), PAGELAKE_RETRY_S seconds apart (600).
# The exit status is that of the last try.
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
signals=0

stop() {
    ((signals += 1))
    [[ -z $child ]] || kill -TERM "$child" 2>/dev/null
}
trap stop TERM INT

# Runs a command to its end, which a signal to this script brings about: it is passed on. Its status is in `status`.
run() {
    local seen ended
    status=''
    "$@" &
    child=$!
    ((signals == 0)) || stop # the signal came before there was a child
    while :; do
        seen=$signals
        wait "$child"
        ended=$?
        # 127 of a second wait: the first one had its status already.
        [[ $ended == 127 && -n $status ]] || status=$ended
        [[ $signals != "$seen" ]] || break # else the signal cut the wait short
    done
    child=''
}

# Runs a job until it ends well, or until no other try is worth it or allowed. Its status is in `status`.
tried() {
    local try ended_as
    for ((try = 1; ; try++)); do
        run "$root/spark-submit.sh" "$@"
        [[ $status == 1 || $status == 4 ]] || return
        ((try < tries && signals == 0)) || return
        echo "Try $try of $tries of $1 ended with status $status; the next one begins in $pause_s s." >&2
        ended_as=$status
        run sleep "$pause_s"
        status=$ended_as
        ((signals == 0)) || return
    done
}

# The lists are made with those of the options that every job has.
lists=(build-recommendations --if-declared)
publishes=1
for ((i = 1; i <= $#; i++)); do
    case ${!i} in
        --source | --api-url | --lake | --set | --log-format) lists+=("${@:i:2}") && ((i++)) ;;
        --source=* | --api-url=* | --lake=* | --set=* | --log-format=* | --verbose) lists+=("${!i}") ;;
        --no-check | --dry-run) publishes=0 ;;
    esac
done

tried full-ingest "$@" --resume-or-start "$run_id"
((status == 0 && publishes == 1 && signals == 0)) || exit "$status"
tried "${lists[@]}"
exit "$status"
