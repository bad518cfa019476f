# `make` lists the targets. Everything runs in .venv, made from requirements.lock when it is missing.
SHELL := /bin/bash
PYTHON ?= python3
READY := .venv/.ready
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export DVC_NO_ANALYTICS := 1
# Stages work in processes; threads for small matrix products only fight over the cores.
export OPENBLAS_NUM_THREADS := 1
export MLFLOW_DISABLE_TELEMETRY := true
export PREFECT_SERVER_ANALYTICS_ENABLED := false
unexport PYTHONDONTWRITEBYTECODE # stages are many short processes: compiled once, they start in two thirds of the time
PYTEST := python -m pytest -n logical --maxprocesses 4 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help setup run test test-slow check format ui serve-all faults gc scans profile accept import-weights evidence toy reading peers dots browser

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv from the lock, and install zbar where that is possible

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; call make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@test -x .venv/bin/pip || { echo "Making .venv (a few minutes, once)"; $(PYTHON) -m venv .venv || { rm -rf .venv; echo "python3 has no venv: install it (Debian: apt-get install python3-venv)" >&2; exit 2; }; }
	@set -o pipefail; .venv/bin/python -m pip install --disable-pip-version-check -r requirements.lock 2>&1 | awk '!/is ignored: it is neither|^Requirement already|^Looking in|^  / { print; fflush() }' || { echo ".venv is incomplete: see pip's message above" >&2; exit 2; }
	@.venv/bin/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
	@.ci/install-system zbar
	@touch $@

run: $(READY) ## the whole graph once: data, models, figures, report, registry, verdict
	@python -m flows.retraining

test: $(READY) ## tests that take minutes
	@$(PYTEST)
	@echo "Slow tests (servers, faults, browser, whole flows): make test-slow. Format, types, layers: make check"

test-slow: $(READY) browser ## servers, faults, browser, the whole flow at toy size
	@$(PYTEST) --no-loadscope-reorder -m slow --durations 20

check: $(READY) ## format, lint, types, layers
	@ruff format --check .
	@ruff check .
	@mypy
	@lint-imports --no-cache

format: $(READY) ## format and mend what can be mended
	@ruff format .
	@ruff check --fix .

ui: $(READY) ## the model registry at http://127.0.0.1:5000
	@test -f .mlflow/mlflow.db || { echo "nothing is published yet: make run" >&2; exit 2; }
	@mlflow ui --backend-store-uri sqlite:///$(CURDIR)/.mlflow/mlflow.db --host 127.0.0.1 --port 5000

serve-all: $(READY) ## [SCHEDULE=on]: scheduler, worker and registry on this machine, until Ctrl-C
	@python -m flows.serve $(if $(SCHEDULE),--schedule)

faults: $(READY) ## TEST=name: repeat a row of docs/reliability.md
	@test -n "$(TEST)" || { echo "say which: make faults TEST=killed_worker" >&2; exit 2; }
	@python -m pytest -m slow tests/e2e tests/test_cluster.py -k "$(TEST)"

scans: $(READY) ## FROM=folder [WITH=manifest] [PRINTER= PAPER= DEVICE= RUN=]: take in scans of sheets, or pictures with a ground_truth.csv
	@test -n "$(FROM)" || { echo "say which folder: make scans FROM=folder" >&2; exit 2; }
	@qrestore scans "$(FROM)" $(if $(WITH),--with $(WITH)) $(if $(PRINTER),--printer "$(PRINTER)") $(if $(PAPER),--paper "$(PAPER)") $(if $(DEVICE),--device "$(DEVICE)") $(if $(RUN),--run "$(RUN)")
	@dvc --wait-for-lock repro ingest validate@scanned
	@dvc --wait-for-lock repro --single-item evaluate@scanned summarize
	@qrestore report

profile: $(READY) ## FROM="scan ...": measure a printer from scans of its targets (qrestore label targets), write own.yaml
	@test -n "$(FROM)" || { echo "say which scans: make profile FROM=scan.png" >&2; exit 2; }
	@qrestore profile $(FROM) -o own.yaml

accept: $(READY) ## STAGE="name ...": accept an edit of code that leaves the outputs of stages as they are
	@test -n "$(STAGE)" || { echo "say which stages: make accept STAGE=train@qr-deblurrer" >&2; exit 2; }
	@qrestore accept $(STAGE)

import-weights: $(READY) ## DIR=folder: bring in weights trained on another machine
	@test -n "$(DIR)" || { echo "say which folder: make import-weights DIR=folder" >&2; exit 2; }
	@qrestore import-weights "$(DIR)"

gc: $(READY) ## [YES=1] [DAYS=30]: what old runs and caches nothing needs; with YES=1 it is removed
	@qrestore gc $(if $(filter 1,$(YES)),--yes) $(if $(DAYS),--older-than $(DAYS))

evidence: $(READY) ## measure every table and figure again, with the shipped models
	@dvc --wait-for-lock repro synthesize ingest
	@dvc --wait-for-lock repro --force --single-item calibrate evaluate@defocus evaluate@motion evaluate@scanned evaluate@dots summarize
	@qrestore report
	@python -m benchmarks.readme
	@python -m benchmarks.deblurring
	@python -m benchmarks.speed
	@python -m benchmarks.before_after
	@git --no-pager diff --stat -- models data/reports

toy: $(READY) ## the whole flow at toy size, in a temporary clone
	@qrestore toy

reading: $(READY) .work/peers/.ready ## FROM=folder: measure reading on real photographs beside free readers, write the tables
	@test -n "$(FROM)" || { echo "say which folder: make reading FROM=../shared/realqr" >&2; exit 2; }
	@python -m benchmarks.reading "$(FROM)"

peers: .work/peers/.ready ## an environment with the free readers that `make reading` measures beside ours

.work/peers/.ready: benchmarks/peers.txt
	@mkdir -p .work && $(PYTHON) -m venv .work/peers
	@.work/peers/bin/python -m pip install --disable-pip-version-check --quiet -r benchmarks/peers.txt
	@touch $@

dots: $(READY) ## measure the difficulty of every profile, labels read, rates; write the tables of data/README.md
	@python -m benchmarks.dots

browser: # what the browser tests need
	@.ci/install-system chromium
