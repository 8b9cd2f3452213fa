# The verbs of the project.  `make run` and `make test` are all that is needed to begin with; both
# make their own virtual environment in .venv and install what they need there.

PYTHON ?= python3
VENV ?= .venv
CONF ?= conf/sipd.conf
PYTEST_ARGS ?=
BENCH_ARGS ?=
DOCS_ARGS ?=
# 1: run what mypyc has compiled of the tree; the first time that takes a minute or two.
COMPILE ?= 0

# editable_mode=compat: only then does twistd find the plug-in of a source tree.
# SIPPROXY_COMPILE=0: a compiled file beside its source would hide every later change of it.
INSTALL = SIPPROXY_COMPILE=0 $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
	--config-settings editable_mode=compat --constraint constraints.txt

# Compiled code is made in a copy of the tree, for the same reason.
COPY = build/compiled
SOURCES = $(shell git ls-files 2>/dev/null | grep -v '^docs/ledger/')
ifeq ($(COMPILE),1)
COMPILED = $(COPY)/.built
PREFER = PYTHONPATH=$(abspath $(COPY))
endif

.DEFAULT_GOAL := help
.PHONY: help run test test-compiled soak lint format types docs bench clean

help:
	@echo "make run     start the server with $(CONF)"
	@echo "make test    run the tests (installs what they need; a few minutes)"
	@echo "make soak    run the tests that take long"
	@echo "make lint    check style (make format repairs what can be repaired)"
	@echo "make types   check types"
	@echo "make docs    write the generated pages and check all of docs/"
	@echo "make bench   measure; compares with Kamailio where that is installed"
	@echo "make clean   remove what the above have made"
	@echo "make run COMPILE=1 and make test-compiled use compiled code; make bench measures both"

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "sipproxy needs Python 3.11 or newer; name one: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "Python cannot make virtual environments yet: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python setup.cfg pyproject.toml
	$(INSTALL) --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/bin/python setup.cfg pyproject.toml constraints.txt
	$(INSTALL) --editable '.[test,dev,mysql,radius]'
	@touch $@ $(VENV)/.installed

$(COPY)/.built: $(VENV)/.installed-dev $(SOURCES)
	@echo "Compiling what every message passes; this takes a minute or two."
	@rm -rf $(COPY) && mkdir -p $(COPY)
	@git ls-files -z | xargs -0 cp --parents --target-directory=$(COPY)
	@cd $(COPY) && SIPPROXY_COMPILE=1 $(abspath $(VENV))/bin/python setup.py --quiet build_ext --inplace
	@touch $@

run: $(VENV)/.installed $(COMPILED)
	@$(PREFER) exec $(VENV)/bin/twistd --nodaemon sipproxy -f $(CONF)

test: $(VENV)/.installed-dev
	@tests/install
	$(VENV)/bin/python -m pytest -q $(PYTEST_ARGS)

test-compiled: $(COPY)/.built
	@tests/install
	cd $(COPY) && PYTHONPATH=$(abspath $(COPY)) $(abspath $(VENV))/bin/python -m pytest -q $(PYTEST_ARGS)

soak: $(VENV)/.installed-dev
	@tests/install
	$(VENV)/bin/python -m pytest -q -m soak $(PYTEST_ARGS)

lint: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

format: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

types: $(VENV)/.installed-dev
	$(VENV)/bin/mypy

docs: $(VENV)/.installed-dev
	$(VENV)/bin/python -m docs.generate $(DOCS_ARGS)
	$(VENV)/bin/python -m pytest -q tests/test_docs.py tests/test_docs_examples.py

bench: $(VENV)/.installed-dev $(COPY)/.built
	SIPPROXY_COMPILED=$(abspath $(COPY)) $(VENV)/bin/python -m bench $(BENCH_ARGS)

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
