# make demo   the whole chain on simulated handwriting, ending in a report
# make test   the tests
# make lint   ruff, mypy and the import layers
#
# Each target first makes the environment that it needs. Variables:
# PYTHON=python3.12   the interpreter, at least Python 3.10
# VENV=path           the environment, default .venv
# DEMO=small          a demo of about a minute

PYTHON ?= python3
VENV ?= .venv
DEMO ?= full

BIN := $(abspath $(VENV))/bin
DEMO_READY := $(VENV)/.ready-for-demo
TEST_READY := $(VENV)/.ready-for-test

.PHONY: demo test lint

demo: $(DEMO_READY)
	PATH="$(BIN):$$PATH" bash demo.sh $(DEMO)

test: $(TEST_READY)
	$(BIN)/python -m pytest

lint: $(TEST_READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(DEMO_READY): pyproject.toml | $(BIN)/pip
	$(BIN)/python -m pip install --editable '.[demo]'
	touch $@

$(TEST_READY): pyproject.toml | $(BIN)/pip
	$(BIN)/python -m pip install --editable '.[test,test-formats,demo]'
	touch $@ $(DEMO_READY)

# venv installs pip last, so an environment with pip is complete.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo '"$(PYTHON)" is not Python 3.10 or newer. Give another: make PYTHON=python3.12 ...' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { \
	  echo '"$(PYTHON)" lacks venv. On Debian and Ubuntu: apt-get install python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@echo 'Installing; torch is a large download.'
