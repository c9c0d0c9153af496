#!/usr/bin/env bash
# ./spark-submit.sh [spark-submit options] JOB [job options]        (./spark-submit.sh --help lists the jobs)
#
# The first start makes all that Pagelake needs beside Python and Java; later starts go straight to the job.
set -euo pipefail

here=$(CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd -P)
# shellcheck source=scripts/environment.sh
source "$here/scripts/environment.sh"

# exec: a signal reaches the job itself, and its exit status is ours.
exec "$PAGELAKE_VENV/bin/python" -m jobs "$@"
