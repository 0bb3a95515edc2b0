# Needs python3 (3.11 or newer, with venv), make and the package index; every target sets up what it needs under .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PROJECTS := -e . -e drivers/redis -e drivers/postgres -e drivers/mysql -e drivers/sqlite -e conformance
MANIFESTS := pyproject.toml constraints.txt conformance/pyproject.toml $(wildcard drivers/*/pyproject.toml)
PIP := UV_PYTHON_DOWNLOADS=never $(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt
SUITES := conformance/tests/test_memory.py::TestMemory drivers/sqlite/tests/test_conformance.py \
  drivers/redis/tests/test_conformance.py drivers/redis/tests/test_cluster.py::TestRedisCluster \
  drivers/postgres/tests/test_conformance.py::TestPostgresKilled \
  drivers/mysql/tests/test_conformance.py::TestMySQLWithRestarts
LOWEST := .venv-lowest
SOME := not test_cluster and (not test_conformance or settle or stale or dedupe)
TEST_ARGUMENTS ?=
URL ?=
HOURS ?= 1
PATHS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test fast lowest check format conformance mutants torture benchmark constraints clean

help: ## list the targets
	@grep -E '^[a-z]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 14

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "asynctasq needs Python 3.11 or newer; found `$(PYTHON) --version 2>&1`. Run: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv

$(VENV)/.runtime: $(BIN)/uv $(MANIFESTS)
	$(PIP) -e . -e drivers/sqlite uvloop
	@touch $@

$(VENV)/.development: $(BIN)/uv $(MANIFESTS)
	$(PIP) $(PROJECTS) --group dev
	@touch $(VENV)/.runtime $@

setup: $(VENV)/.development ## everything that development needs, in .venv

demo: $(if $(URL),$(VENV)/.development,$(VENV)/.runtime) ## index real source trees with two workers, one of which is killed
	@$(BIN)/asynctasq demo $(if $(URL),--url "$(URL)") $(PATHS)

test: $(VENV)/.development ## the whole test suite
	$(BIN)/python -m pytest $(TEST_ARGUMENTS)

fast: $(VENV)/.development ## the tests that need no process of their own
	$(BIN)/python -m pytest -m "not slow" $(TEST_ARGUMENTS)

$(LOWEST)/.development: $(BIN)/uv $(MANIFESTS)
	UV_PYTHON_DOWNLOADS=never $(BIN)/uv venv --quiet --clear --python $(BIN)/python $(LOWEST)
	UV_PYTHON_DOWNLOADS=never $(BIN)/uv pip install --quiet --python $(LOWEST)/bin/python --resolution lowest-direct \
	  $(PROJECTS) --group dev
	@touch $@

lowest: $(LOWEST)/.development ## the fast tests, with the oldest versions of everything that the manifests allow
	$(LOWEST)/bin/python -m pytest -m "not slow" -k "$(SOME)" $(TEST_ARGUMENTS) tests drivers

check: $(VENV)/.development ## lint, types, import floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.development ## put the code in shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

conformance: $(VENV)/.development ## run the conformance suite on every installed driver, and print the table
	@rm -rf build/conformance
	-$(BIN)/python -m pytest $(SUITES) -q -n 2 --dist loadscope --conformance-report build/conformance
	@$(BIN)/asynctasq-conformance compare --installed build/conformance

mutants: $(VENV)/.development ## show that the conformance suite fails every wrong driver
	$(BIN)/python -m asynctasq_conformance.mutants

torture: $(VENV)/.development ## trials with faults for as long as you like: make torture HOURS=2 URL=...
	$(BIN)/python tests/torture/run_trials.py --hours $(HOURS) $(if $(URL),--url "$(URL)")

benchmark: $(VENV)/.development ## no-op tasks per second beside the raw store cycle
	$(BIN)/python benchmarks/drain.py
	$(BIN)/python benchmarks/enqueue.py

constraints: $(VENV)/.development ## write constraints.txt anew
	UV_PYTHON_DOWNLOADS=never $(BIN)/uv lock --quiet --upgrade
	UV_PYTHON_DOWNLOADS=never $(BIN)/uv export --quiet --frozen --all-packages --all-extras --all-groups --no-hashes \
	  --no-emit-workspace --no-annotate --no-header --output-file constraints.txt

clean: ## remove the environment and what the tools keep
	rm -rf $(VENV) $(LOWEST) .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis dist build
