# shellcheck shell=bash
# Sourced: exports what every process of Pagelake needs, once JAVA_HOME and PAGELAKE_VENV are known.

pagelake_root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
for SPARK_HOME in "$PAGELAKE_VENV"/lib/python3.*/site-packages/pyspark; do :; done
# Another Spark in SPARK_HOME or PYTHONPATH would not fit the jars: ours alone counts.
export SPARK_HOME PYTHONPATH=$pagelake_root
export PYTHONSAFEPATH=1 # a folder `jobs` or `lib` in the current folder is not ours: neither here nor in Spark's workers
# Our modules are compiled once, and not in the tree.
export PYTHONPYCACHEPREFIX=$PAGELAKE_VENV/pycache
unset PYTHONDONTWRITEBYTECODE
export TZ=UTC # collect() gives local time
export GX_ANALYTICS_ENABLED=False
# In the locale C or POSIX, in that of cron (none) and in one that is not installed, Java cannot name a file with an accent.
[[ $(locale charmap 2>/dev/null) == UTF-8 ]] || export LC_ALL=C.UTF-8
