# make demo   what simulated samples add to few others, without any data: hwgen demo
# make test   the tests
# make lint   ruff, mypy and the import layers
# make docs   the documentation as a site, build/site/index.html
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
DOCS_READY := $(VENV)/.ready-for-docs

.PHONY: demo test lint docs

demo: $(DEMO_READY)
	$(if $(filter full small,$(DEMO)),,$(error DEMO is full or small, found "$(DEMO)"))
	$(BIN)/hwgen demo $(if $(filter small,$(DEMO)),--small)

test: $(TEST_READY)
	$(BIN)/python -m pytest

lint: $(TEST_READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(DOCS_READY)
	rm -rf build/site-pages
	$(BIN)/python -m website.stage build/site-pages
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo 'The site: $(CURDIR)/build/site/index.html'

$(DEMO_READY): pyproject.toml | $(BIN)/pip
	$(BIN)/python -m pip install --editable '.[demo]'
	touch $@

$(TEST_READY): pyproject.toml | $(BIN)/pip
	$(BIN)/python -m pip install --editable '.[test,test-formats,demo]'
	touch $@ $(DEMO_READY)

$(DOCS_READY): pyproject.toml | $(BIN)/pip
	$(BIN)/python -m pip install --editable '.[docs]'
	touch $@

# venv installs pip last, so an environment with pip is complete.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo '"$(PYTHON)" is not Python 3.10 or newer. Give another: make PYTHON=python3.12 ...' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { \
	  echo '"$(PYTHON)" lacks venv. On Debian and Ubuntu: apt-get install python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@echo 'Installing; torch is a large download.'
