# shellcheck shell=bash
# Sourced by init.sh, start.sh and terminate.sh: where Airflow's things are, and the settings that are ours.
# All of Airflow's own settings can be set as AIRFLOW__SECTION__KEY, or in airflow.cfg of the state; those below come first.

airflow_root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
airflow_venv=$airflow_root/.airflow/venv
airflow_state=${PAGELAKE_AIRFLOW_HOME:-$airflow_root/.airflow}
[[ $airflow_state == /* ]] || airflow_state=$PWD/$airflow_state
airflow_port=${PAGELAKE_AIRFLOW_PORT:-8080}
# Which packages the environment and the database were made for.
# shellcheck disable=SC2034 # init.sh and start.sh compare it
airflow_freeze=$(cksum <"$airflow_root/airflow/requirements.txt")
umask 077 # the password, the keys and the logs are for one person

stop_with() {
    printf '%s\n' "$@" >&2
    exit 2
}

if ! [[ $airflow_port =~ ^[1-9][0-9]{0,4}$ ]] || ((airflow_port > 65535)); then
    stop_with "PAGELAKE_AIRFLOW_PORT=$airflow_port: must be a port, 1 to 65535"
fi

export AIRFLOW_HOME=$airflow_state
export AIRFLOW__API__HOST=127.0.0.1
export AIRFLOW__API__PORT=$airflow_port
export AIRFLOW__API__BASE_URL=http://localhost:$airflow_port
export AIRFLOW__API__WORKERS=${AIRFLOW__API__WORKERS:-1}
export AIRFLOW__API__INSTANCE_NAME=${AIRFLOW__API__INSTANCE_NAME:-Pagelake}
export AIRFLOW__CORE__DAGS_FOLDER=$airflow_root/dags
export AIRFLOW__CORE__EXECUTION_API_SERVER_URL=http://127.0.0.1:$airflow_port/execution/
export AIRFLOW__CORE__EXECUTOR=LocalExecutor
export AIRFLOW__CORE__LOAD_EXAMPLES=False
export AIRFLOW__CORE__PARALLELISM=${AIRFLOW__CORE__PARALLELISM:-2}
export AIRFLOW__CORE__SENSITIVE_VAR_CONN_NAMES=api_key,apikey,api-key,authorization,bearer,cookie${AIRFLOW__CORE__SENSITIVE_VAR_CONN_NAMES:+,$AIRFLOW__CORE__SENSITIVE_VAR_CONN_NAMES}
export AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE=$airflow_state/passwords.json
export AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS=admin:admin
export AIRFLOW__CORE__TASK_SUCCESS_OVERTIME=${AIRFLOW__CORE__TASK_SUCCESS_OVERTIME:-60} # callbacks record how a task ended
export AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=${AIRFLOW__DATABASE__SQL_ALCHEMY_CONN:-sqlite:///$airflow_state/airflow.db}
export AIRFLOW__LOGGING__BASE_LOG_FOLDER=$airflow_state/logs
export AIRFLOW__USAGE_DATA_COLLECTION__ENABLED=False
export SPT_NOENV=1 # a process that renames itself keeps its environment: terminate.sh knows by it what start.sh began
unset PYTHONPATH PYTHONHOME PYTHONSAFEPATH VIRTUAL_ENV

control() {
    "$airflow_venv/bin/python" "$airflow_root/airflow/control.py" "$@"
}
