# Driftwarden's shell. Needs make, git, and Python 3.11 or newer with pip and venv; no Docker, no Java.
#
#   make demo          the main job on a real Apache Kafka, live in the terminal     SEED=1 DATA=file.csv TARGET=column INFLUX=1 STAY=1
#   make demo-seeds    the demo for seeds 1 to 20                                    FIRST=1 LAST=20
#   make test          every test, those on a real Kafka and the doctests included   ARGS="-k publisher" JOBS=2, each with a broker of its own
#   make check         ruff, mypy, import rules, then every test
#   make bench         how fast it is, with its results checked                      ROWS="single join"
#   make bench-detection  how soon changes are told, at how many false alarms           SIZE=0.1 DETECTION="--row sigma"
#   make bench-gate    how often the promotion gate errs, and how soon it sees a gain
#   make bench-retraining  what retraining is worth, beside policies without a gate    RETRAINING="--row sea"
#   make influxd       a real InfluxDB for the tests, built once from public sources: six minutes, with Go, Rust and gcc
#   make alertmanager  a real Alertmanager for the tests, built once with Go unless there is one
#   make dashboards    Grafana's boards, written anew from tools/dashboards
#   make chromium     a browser for the tests of the live page: $CHROMIUM, the one on the PATH, or Debian's package
#   make bench-scale   what 10,000 models and a million events a second would take
#   make install | make lock | make clean

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV ?= .venv
SEED ?= 1
DATA ?=
STAY ?=
TARGET ?=
INFLUX ?=
FIRST ?= 1
LAST ?= 20
ARGS ?=
JOBS ?= 2
ROWS ?=
SIZE ?= 1
DETECTION ?=
RETRAINING ?=

BIN := $(VENV)/bin
COMPILED := $(wildcard */*/*.pyx */*/*.pxd)
SEEDS := .driftwarden/demo-seeds
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help install demo demo-seeds test influxd alertmanager chromium dashboards lint check bench bench-detection bench-gate bench-retraining bench-scale lock clean

help:
	@sed -n '3,/^$$/s/^# \{0,3\}//p' Makefile

# --- installation: each stamp is older than its inputs only when something has to be installed again ---

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else f"Driftwarden needs Python 3.11 or newer, $(PYTHON) is {sys.version.split()[0]}; pass another one: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-for-demo: pyproject.toml requirements.lock $(COMPILED) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint requirements.lock --editable '.[broker]'
	@touch $@

$(VENV)/.installed-for-test: pyproject.toml requirements.lock $(COMPILED) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint requirements.lock --editable '.[dev]'
	@touch $(VENV)/.installed-for-demo $@

install: $(VENV)/.installed-for-test

# --- the demo ---

demo: $(VENV)/.installed-for-demo
	@$(BIN)/driftwarden demo --seed $(SEED) $(if $(DATA),--data '$(DATA)') $(if $(TARGET),--target '$(TARGET)') $(if $(INFLUX),--influx) $(if $(STAY),--stay)

demo-seeds: $(VENV)/.installed-for-demo
	@mkdir -p $(SEEDS); printf '%-6s %-8s %-9s %s\n' seed result seconds log
	@for seed in $$(seq $(FIRST) $(LAST)); do
	    log=$(SEEDS)/$$seed.log; started=$$SECONDS; result=passed
	    $(BIN)/driftwarden demo --seed $$seed --out $(SEEDS)/$$seed >$$log 2>&1 || result=FAILED
	    printf '%-6s %-8s %-9s %s\n' $$seed $$result $$((SECONDS - started)) $$log
	    if [ $$result = FAILED ]; then tail -n 40 $$log; exit 1; fi
	done

# --- tests ---

test: influxd alertmanager chromium
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

influxd: $(VENV)/.installed-for-test
	@$(BIN)/python -m tools.influxd.build

alertmanager: $(VENV)/.installed-for-test
	@$(BIN)/python -m tools.alertmanager.build

dashboards: $(VENV)/.installed-for-test
	$(BIN)/python -m tools.dashboards

chromium: $(VENV)/.installed-for-test
	@$(BIN)/python -m tools.chromium.install

lint: $(VENV)/.installed-for-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test

# --- the bench ---

$(VENV)/.installed-for-bench: pyproject.toml requirements.lock $(COMPILED) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint requirements.lock --editable '.[bench,broker]'
	@touch $@

bench: $(VENV)/.installed-for-bench
	@$(if $(ROWS),,$(BIN)/python -m bench.linear)
	code=0; $(BIN)/python -m bench $(ROWS) || code=$$?
	$(if $(ROWS),,$(BIN)/python -m bench.page)
	exit $$code

bench-detection: $(VENV)/.installed-for-bench
	$(BIN)/python -m bench.detection --size $(SIZE) $(DETECTION)
	$(if $(filter 1,$(SIZE)),$(if $(DETECTION),,$(BIN)/python -m bench.detection.slow_drift))
	$(if $(filter 1,$(SIZE)),$(if $(DETECTION),,$(BIN)/python -m bench.detection.page))

bench-gate: $(VENV)/.installed-for-bench
	$(BIN)/python -m bench.gate
	$(BIN)/python -m bench.gate.page

# A missed target is told in the table; the page is written all the same.
bench-retraining: $(VENV)/.installed-for-bench
	code=0; $(BIN)/python -m bench.retraining $(RETRAINING) || code=$$?
	$(BIN)/python -m bench.retraining.page
	exit $$code

bench-scale: $(VENV)/.installed-for-bench
	@$(BIN)/python -m bench.scale

# --- housekeeping ---

# The newest versions that work together, in an environment of their own; commit the result after `make check` passed with it.
lock:
	folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT
	$(PYTHON) -m venv "$$folder"
	"$$folder/bin/python" -m pip install --quiet '.[dev]'
	{ grep '^#' requirements.lock; "$$folder/bin/python" -m pip freeze --exclude driftwarden | grep -E '^[A-Za-z0-9._-]+==[^ ]+$$'; } >requirements.lock.new
	mv requirements.lock.new requirements.lock

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .driftwarden
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.ONESHELL:
