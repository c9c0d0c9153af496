#!/usr/bin/env bash
# Starts Airflow in the background, waits until it is healthy, and prints its address:  ./airflow/start.sh
#
# PAGELAKE_AIRFLOW_PORT (8080) is the port, on this machine only. What a source YAML names as ${ENV} must be exported before.
set -euo pipefail

unset AIRFLOW_ADMIN_PASSWORD # only init.sh needs it: no process of Airflow, and no job, gets to see it
# shellcheck source=airflow/common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
first='export AIRFLOW_ADMIN_PASSWORD=... && ./airflow/init.sh'
[[ -x $airflow_venv/bin/airflow && -e $airflow_state/.pagelake-ready ]] ||
    stop_with 'Airflow is not ready: there was no init yet, or it was cut off. Type first:' "    $first"
[[ $(cat "$airflow_state/.pagelake-ready") == "$airflow_freeze" ]] ||
    stop_with 'Airflow was made ready for other packages than airflow/requirements.txt says now. Type first:' "    $first"
control start
