#!/usr/bin/env bash
# Makes ready what Airflow needs, once:  export AIRFLOW_ADMIN_PASSWORD=... && ./airflow/init.sh
#
# Again at any time, while Airflow is stopped: for another password, or after an update of Pagelake. What was cut off is
# gone on with. PAGELAKE_AIRFLOW_UNPAUSED=1 also switches the DAGs on.
set -euo pipefail

# The password is a variable of this shell from now on: no child has it in its environment or on its command line.
password=${AIRFLOW_ADMIN_PASSWORD:-}
unset AIRFLOW_ADMIN_PASSWORD
# shellcheck source=airflow/common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
[[ $password == *[![:space:]]* ]] || stop_with \
    'AIRFLOW_ADMIN_PASSWORD is not set, or empty: it becomes the password of the user admin on the web page. Nothing was done. Type:' \
    "    read -rs AIRFLOW_ADMIN_PASSWORD && export AIRFLOW_ADMIN_PASSWORD && ./airflow/init.sh"

mkdir -p "$airflow_root/.airflow" "$airflow_state"
chmod 700 "$airflow_state" # keys and the password are in it
exec 9>"$airflow_root/.airflow/init.lock"
if command -v flock >/dev/null && ! flock -n 9; then
    stop_with 'Another init.sh is at work. Wait until it has ended.'
fi

echo 'Airflow: what the jobs need'
python=$(source "$airflow_root/scripts/environment.sh" && echo "$PAGELAKE_VENV/bin/python") || exit

# A venv without a stamp is half of one, and no Airflow runs in it.
[[ ! -e $airflow_venv/.pagelake-stamp ]] || control idle || exit
stamp="$airflow_venv $("$python" -c 'import sys; print(*sys.version_info[:2], sep=".")') $airflow_freeze"
if [[ $(cat "$airflow_venv/.pagelake-stamp" 2>/dev/null) != "$stamp" ]]; then
    echo 'Airflow: its own Python environment in .airflow/venv (some minutes at the first time)'
    rm -rf "$airflow_venv"
    "$python" -m venv "$airflow_venv"
    "$airflow_venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check --progress-bar off \
        -r "$airflow_root/airflow/requirements.txt" ||
        stop_with 'pip could not install what airflow/requirements.txt says (its reason is above). The next init.sh begins anew.'
    echo "$stamp" >"$airflow_venv/.pagelake-stamp"
fi

if [[ ! -e $airflow_state/.pagelake-ready ]]; then
    for file in airflow.cfg airflow.db airflow.db-journal airflow.db-wal airflow.db-shm; do
        [[ ! -e $airflow_state/$file ]] || echo "Airflow: an init that was cut off left $file; it is made anew"
        rm -f "$airflow_state/$file"
    done
fi
rm -f "$airflow_state/.pagelake-ready"

echo "Airflow: database and settings in $airflow_state"
printf '%s' "$password" | control password
unset password
log=$airflow_state/logs/init.log
mkdir -p "$airflow_state/logs"
run() {
    "$airflow_venv/bin/airflow" "$@" >"$log" 2>&1 || {
        tail -n 20 "$log" >&2
        stop_with "airflow $1 $2 failed (above, and in $log). The next init.sh goes on from here."
    }
}
run db migrate
run pools set pagelake_lake 1 'One job at a time: two runs never share a lake'
run dags reserialize # so that the page shows them from the first moment
if [[ ${PAGELAKE_AIRFLOW_UNPAUSED:-} == 1 ]]; then
    run dags unpause --yes --treat-dag-id-as-regex '.*'
    echo 'Airflow: the DAGs are switched on'
else
    echo 'Airflow: the DAGs stay as they are (paused, when new): switch them on in the page, or init with PAGELAKE_AIRFLOW_UNPAUSED=1'
fi
echo "$airflow_freeze" >"$airflow_state/.pagelake-ready"
echo 'Airflow is ready. Next: ./airflow/start.sh'
