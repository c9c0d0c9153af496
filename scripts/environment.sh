# shellcheck shell=bash
# Sourced by spark-submit.sh and the Makefile: sees to the set-up, then exports what every process of Pagelake needs.
#
#   source scripts/environment.sh          what jobs need
#   source scripts/environment.sh --notebooks    what notebooks need as well
#   source scripts/environment.sh --dev    what tests and linters need as well, and the notebooks, which they run
#
# Returns status 2 (under `set -e` that ends the calling script) where a person must install something first.

pagelake_root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
PAGELAKE_VENV=$pagelake_root/.venv

# Prints the path of a Python that Pagelake runs on and that can make a venv.
find_python() {
    local candidate
    local candidates=("$PAGELAKE_VENV/bin/python" python3.12 python3.11 python3
        "$HOME"/.local/bin/python3.1[12] "$HOME"/.pyenv/versions/3.1[12].*/bin/python)
    [[ -z ${PAGELAKE_PYTHON:-} ]] || candidates=("$PAGELAKE_PYTHON")
    for candidate in "${candidates[@]}"; do
        "$candidate" -E -c '
import sys
if not (3, 11) <= sys.version_info < (3, 13):
    sys.exit(1)
import ensurepip, venv  # Debian ships these apart
base = sys._base_executable
if base.startswith(sys.argv[1] + "/"):  # half a venv: it will be emptied
    sys.exit(1)
print(base)' "$PAGELAKE_VENV" 2>/dev/null && return
    done
    say_how_to_get_python >&2
    return 2
}

say_how_to_get_python() {
    local sudo=''
    [[ $(id -u) == 0 ]] || sudo='sudo '
    if [[ -n ${PAGELAKE_PYTHON:-} ]]; then
        echo "PAGELAKE_PYTHON=$PAGELAKE_PYTHON is no Python 3.11 or 3.12 with the venv module. Name another, or unset it."
        return
    fi
    echo 'Pagelake needs Python 3.11 or 3.12 with the venv module, and found none. Type this, then start again:'
    if command -v apt-get >/dev/null; then
        local version
        for version in 3.12 3.11; do
            if apt-cache show "python$version-venv" >/dev/null 2>&1; then
                echo "    ${sudo}apt-get install -y python$version-venv"
                return
            fi
        done
        echo "    ${sudo}apt-get update && ${sudo}apt-get install -y pipx && pipx run uv python install 3.12"
    elif command -v dnf >/dev/null; then
        echo "    ${sudo}dnf install -y python3.12"
    elif [[ $(uname) == Darwin ]]; then
        echo '    brew install python@3.12'
    else
        echo '    PAGELAKE_PYTHON=/path/to/python3.12 ./spark-submit.sh ...'
    fi
}

pagelake_python=${PAGELAKE_PYTHON:-$PAGELAKE_VENV/bin/python}
if ! [[ -x $PAGELAKE_VENV/bin/python ]] ||
    ! pagelake_java=$("$pagelake_python" -E -S "$pagelake_root/scripts/ready.py" "$@"); then
    pagelake_python=$(find_python) || return
    pagelake_java=$("$pagelake_python" -E -S "$pagelake_root/scripts/setup.py" "$@") || return
fi
export JAVA_HOME=$pagelake_java PAGELAKE_VENV
# shellcheck source=scripts/process.sh
source "$pagelake_root/scripts/process.sh"
