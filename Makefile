SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup test test-all test-rest test-faults lint lock images schema docs notebook notebooks-html bench clean

# The environment that jobs run in, with what tests and linters need on top.
DEV := source scripts/environment.sh --dev && python="$$PAGELAKE_VENV/bin/python"
# The same, with what notebooks need.
NOTEBOOKS := source scripts/environment.sh --notebooks && python="$$PAGELAKE_VENV/bin/python"
COMPILE := -m uv pip compile -q --python-version 3.11 --custom-compile-command "make lock"
# A test file goes to one process, which has one Spark for all of its files. The longest files are taken first (pyproject.toml).
SIDE_BY_SIDE := --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
# Some tests start make: what this one was given is for pytest alone. docs/testing.md says which tests are of which part.
PYTEST = env -u MAKEFLAGS -u MFLAGS -u MAKEOVERRIDES -u MAKELEVEL -u ARGS PAGELAKE_TESTS=$(PART) \
    SPARK_LOCAL_IP=127.0.0.1 PYSPARK_PYTHON="$$python" PYSPARK_DRIVER_PYTHON="$$python" \
    "$$python" -m pytest $(SIDE_BY_SIDE) $(ARGS)
LAKE := lake/demo
PORT := 8899
# The shell gets a path as it is, whatever quotes are in it.
export LAKE
SHELL_SCRIPTS := spark-submit.sh scripts/environment.sh scripts/nightly.sh .ci/run

help:  ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:  ## Make .venv and get the jars (every job does it by itself at its first start)
	@source scripts/environment.sh && echo "Ready: $$PAGELAKE_VENV, Java in $$JAVA_HOME"

test: PART := quick
test:  ## The quick tests (some of all: make test ARGS="tests/unit -k retry")
	@$(DEV) && $(PYTEST)

test-rest: PART := rest
test-rest:  ## The tests that make test leaves out
	@$(DEV) && $(PYTEST)

test-all: PART := all
test-all:  ## Every test, with all examples
	@$(DEV) && $(PYTEST)

test-faults:  ## Put faults into a copy, one at a time, and say which no test notices (ARGS="--at-once 2", ARGS=--list)
	@$(DEV) && "$$python" -m tests.faults.run $(ARGS)

lint:  ## ruff, mypy and shellcheck
	@$(DEV) && "$$python" -m ruff check . && "$$python" -m ruff format --check . && "$$python" -m mypy \
	    && "$$PAGELAKE_VENV/bin/shellcheck" -x $(SHELL_SCRIPTS) airflow/*.sh
	@find lib jobs demo notebooks/tooling -name '*.py' -exec wc -l {} + \
	    | awk '$$1 > 400 && $$2 != "total" { print "warning: " $$2 " has " $$1 " lines: is it still one noun?" }'

lock:  ## Pin what the requirements*.in ask for anew (add ARGS=--upgrade for newer versions)
	@$(DEV) && "$$python" $(COMPILE) $(ARGS) requirements.in -o requirements.txt \
	    && "$$python" $(COMPILE) $(ARGS) requirements-notebooks.in -o requirements-notebooks.txt \
	    && "$$python" $(COMPILE) $(ARGS) requirements-dev.in -o requirements-dev.txt \
	    && "$$python" $(COMPILE) $(ARGS) airflow/requirements.in -o airflow/requirements.txt \
	    && "$$python" $(COMPILE) $(ARGS) tests/requirements-mlflow.in -o tests/requirements-mlflow.txt \
	    && "$$python" $(COMPILE) $(ARGS) tests/requirements-servers.in -o tests/requirements-servers.txt

images:  ## Make the pictures of README.md anew, from a run of the demo (docs/images)
	@$(DEV) && "$$python" -m scripts.images

schema:  ## Write conf/source.schema.json and docs/sources.md anew from the settings in lib/config
	@$(DEV) && "$$python" -m scripts.source_schema $(ARGS)

docs:  ## Serve a lake's site on this machine (LAKE=lake/demo PORT=8899; Ctrl-C ends it)
	@test -n "$$LAKE" || { echo "LAKE is empty; name a lake, such as LAKE=lake/demo" >&2; exit 2; }
	@$(DEV) && exec "$$python" -m scripts.docs "$$LAKE" "$(PORT)"

notebook:  ## JupyterLab on this machine, with the notebooks on a lake (LAKE=lake/demo; ARGS go to JupyterLab)
	@$(NOTEBOOKS) && exec "$$python" -m notebooks.tooling open --lake "$$LAKE" -- $(ARGS)

notebooks-html:  ## Run the notebooks on a lake, and publish them under its site/notebooks/ (LAKE=lake/demo)
	@$(NOTEBOOKS) && exec "$$python" -m notebooks.tooling html --lake "$$LAKE" $(ARGS)

bench:  ## Measure this machine against the floors (ARGS go to benchmarks.floor)
	@$(DEV) && "$$python" -m benchmarks.floor $(ARGS)

clean:  ## Remove what tests and tools leave behind (.venv and lake/ stay)
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis spark-warehouse metastore_db derby.log
	find . -path ./.venv -prune -o -name __pycache__ -type d -exec rm -rf {} +
