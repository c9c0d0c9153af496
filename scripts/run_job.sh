#!/usr/bin/env bash
# Runs a job with the set-up as it is (spark-submit.sh looks after the set-up first): scripts/run_job.sh JOB ...
set -euo pipefail

# shellcheck source=scripts/process.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/process.sh"
exec "$PAGELAKE_VENV/bin/python" -m jobs "$@"
