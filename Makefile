# Every target installs what it needs, once, into .venv; with fresh stamps nothing is fetched.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test lint types check bench bench-detect chaos fuzz pictures lock clean

VENV := .venv
BIN := $(VENV)/bin
# Workers share one Kafka and one Redis; each has a database and topics of its own. One more than two cores: tests
# with real processes wait for much of their time.
WORKERS ?= 3
SEED ?= 1
RUNS ?= 1
PREDICTIONS ?= 60000
UV_VERSION := 0.13.9

help: ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

$(VENV)/.stamp-run: requirements.txt requirements-build.txt pyproject.toml tools/install
	@tools/install run

$(VENV)/.stamp-dev: requirements-dev.txt pyproject.toml tools/install
	@tools/install dev

$(VENV)/.stamp-servers: $(VENV)/.stamp-dev
	@tools/install servers

demo: $(VENV)/.stamp-run ## see it find an incident: no Docker, no server, no account
	@$(BIN)/watchkeeper demo $(ARGS)

test: $(VENV)/.stamp-dev $(VENV)/.stamp-servers ## all tests, with a real Kafka and a real Redis where they can be had
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(ARGS)

lint: $(VENV)/.stamp-dev ## ruff, and its format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/.stamp-dev ## mypy, strict, on packages and tests
	@$(BIN)/mypy
	@$(BIN)/mypy tests

check: lint types test ## what CI asks for

bench: $(VENV)/.stamp-dev $(VENV)/.stamp-servers ## measure; see docs/performance.md
	@$(BIN)/python -m benchmarks $(ARGS)

bench-detect: $(VENV)/.stamp-dev ## false alarms and delays, ours and others': make bench-detect DATA=DIR
	@$(BIN)/python -m benchmarks.detect $(if $(DATA),--data $(DATA)) $(ARGS)

chaos: $(VENV)/.stamp-dev $(VENV)/.stamp-servers ## kill everything at random and recount: make chaos SEED=1 RUNS=50
	@PYTHONPATH=tests $(BIN)/python -m chaos --seed $(SEED) --runs $(RUNS) --predictions $(PREDICTIONS) $(ARGS)

fuzz: $(VENV)/.stamp-dev $(VENV)/.stamp-servers ## 100,000 fuzzed messages through a real worker: make fuzz SEED=1
	@WATCHKEEPER_FUZZ_MESSAGES=100000 WATCHKEEPER_FUZZ_SEED=$(SEED) $(BIN)/python -m pytest -q -s tests/e2e/test_fuzz.py $(ARGS)

pictures: $(VENV)/.stamp-dev ## draw the messages for docs/alerts.md, with headless Chromium
	@PYTHONPATH=.:tests $(BIN)/python tools/pictures.py

lock: $(VENV)/.stamp-run ## resolve the dependencies of pyproject.toml anew
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@lock() { $(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --universal \
	    --python-version 3.11 --custom-compile-command "make lock" "$$@"; }; \
	lock pyproject.toml --group dev --output-file requirements-dev.txt; \
	lock pyproject.toml --constraint requirements-dev.txt --output-file requirements.txt; \
	lock --group build --constraint requirements-dev.txt --output-file requirements-build.txt

clean: ## remove .venv, caches and build products
	@rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
