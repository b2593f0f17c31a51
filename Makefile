# Everything that a fresh machine needs to run, test and check wooshq. `make` alone lists it.
# Needs: Python 3.11 or later, make, and a package index that pip can reach.

# Which Python makes .venv: `make install PYTHON=/path/to/python3.12`; else the first of these that is new enough.
PYTHON ?=
CANDIDATES = $(or $(PYTHON),python3 python3.13 python3.12 python3.11)

VENV  := .venv
BIN   := $(VENV)/bin
STAMP := $(VENV)/.installed
# -qq: warnings of a caller's own pip configuration would drown the first `make`; errors still show.
PIP   := $(BIN)/python -m pip --disable-pip-version-check -qq
# Passed on by demo, test and bench: `make test ARGS="-k fan_out -x"`
ARGS  ?=

# Paths of the caller's own would be seen by the tools, but not by who runs them next.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install demo test test-slow browser check docs screenshots floor bench lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

install: $(STAMP) ## .venv with everything in it; .venv/bin/wooshq is the command

# Runs again only when a pin or the package's own description has changed.
$(STAMP): requirements/dev.txt pyproject.toml
	@test -n "$(PYTHON)" || ! $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || exit 0; \
	for python in $(CANDIDATES); do \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "making $(VENV) with $$("$$python" --version) ($$python)"; \
	    "$$python" -m venv --clear $(VENV) && exit 0; \
	    echo "$$python cannot make a virtual environment; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; \
	  fi; \
	done; \
	echo "wooshq needs Python 3.11 or later, and found none as: $(CANDIDATES)." >&2; \
	echo "Install one, or name it: make install PYTHON=/path/to/python3.12" >&2; exit 1
	@echo "installing what requirements/dev.txt pins"
	@$(PIP) install --no-user --require-hashes -r requirements/dev.txt
	@$(PIP) install --no-user --no-deps --no-build-isolation -e .
	@touch $(STAMP)

demo: $(STAMP) ## a tour on this machine: sandbox API, worker, fan-out with failures, dead letters, replay
	@$(BIN)/wooshq demo $(ARGS)

# Tests run side by side; tests/conftest.py says in how many processes. One after the other: `make test ARGS="-n 0"`.
PYTEST := -m pytest -n auto --dist worksteal

test: $(STAMP) ## all tests: unit, integration, chaos
	@$(BIN)/python $(PYTEST) $(ARGS)

# Endless loops that run beside the tests; six make two cores about four times slower.
LOOPS ?= 2

test-slow: $(STAMP) ## all tests while endless loops keep the machine busy (LOOPS=2); may take an hour
	@trap 'kill $$loops' EXIT; trap 'exit 130' INT; trap 'exit 143' TERM; \
	for _ in $$(seq $(LOOPS)); do while kill -0 $$$$; do :; done 2>/dev/null & loops="$$loops $$!"; done; \
	$(BIN)/python $(PYTEST) $(ARGS)

browser: $(STAMP) ## a Chromium for the tests of the console, which are skipped without one: Debian's if you are root there, otherwise Playwright's
	@if test "$$(id -u)" = 0 && command -v apt-get >/dev/null; then apt-get update -qq && apt-get install -qq --yes --no-install-recommends chromium; \
	else $(BIN)/playwright install chromium; fi

check: $(STAMP) ## lint, format, types, the public types as a user sees them, and the rules for imports, folders and files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/basedpyright
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest -q tests/unit/repository/test_house.py

docs: $(STAMP) ## write the generated parts of docs/ anew: the map, the state machines, the verdict table, the JSON Schemas
	@$(BIN)/python -m docs.write
	@$(BIN)/python -m wooshq_worker.api.table
	@$(BIN)/python -m wooshq_worker.intents.cancel.table
	@$(BIN)/python -m wooshq_schemas.json_schema

screenshots: $(STAMP) ## pictures of every page of the console, to docs/console; one page: ARGS="--only overview"
	@$(BIN)/python -m docs.screenshots $(ARGS)

floor: requirements/dev.txt ## all tests with the oldest redis-py that pyproject.toml allows
	@$(MAKE) --no-print-directory install VENV=.venv/floor
	@floor=$$(sed -n 's/^ *"redis>=\([0-9.]*\).*/\1/p' pyproject.toml) && set -x && \
	  .venv/floor/bin/python -m pip --disable-pip-version-check -qq install "redis==$$floor.*" && \
	  .venv/floor/bin/python $(PYTEST) $(ARGS)

bench: $(VENV)/.bench ## every figure of docs/benchmarks.md, half an hour; ARGS=--quick in five minutes, ARGS=--help
	@$(BIN)/python -m benchmarks $(ARGS)

$(VENV)/.bench: requirements/bench.txt $(STAMP)
	@$(PIP) install --no-user --require-hashes -r requirements/bench.txt
	@touch $@

lock: $(STAMP) ## write the pins anew from pyproject.toml and dev.in; newer versions with ARGS=--upgrade
	@requirements/lock $(BIN)/python $(ARGS)

clean: ## remove .venv and caches; never .wooshq, where accepted messages live
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
	find schemas tasks worker tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
