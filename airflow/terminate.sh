#!/usr/bin/env bash
# Ends what start.sh began, and nothing else:  ./airflow/terminate.sh
#
# A job at work is stopped cleanly; its task goes on with it (--resume-or-start) when Airflow is started again.
set -euo pipefail

unset AIRFLOW_ADMIN_PASSWORD
# shellcheck source=airflow/common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
[[ -x $airflow_venv/bin/python ]] || {
    echo 'Airflow was not running: there is no .airflow/venv.'
    exit 0
}
control terminate
