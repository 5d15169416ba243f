# Each target sets up what it needs by itself: `python3` (3.11 or newer) and `make` are enough.

PYTHON ?= python3
VENV ?= .venv

python := $(VENV)/bin/python
install := $(python) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# Whose machine this is must not matter: no Airflow, login or import path of theirs, and no proxy for loopback.
unexport $(filter AIRFLOW% AZURE_% PYTHONPATH,$(.VARIABLES))
export AIRFLOW_HOME := $(CURDIR)/build/airflow
export AIRFLOW__CORE__LOAD_EXAMPLES := False
export AIRFLOW__USAGE_DATA_COLLECTION__ENABLED := False
export NO_PROXY := 127.0.0.1,localhost,$(or $(no_proxy),$(NO_PROXY))
unexport no_proxy

.NOTPARALLEL:
.PHONY: help venv demo demo-lifecycle demo-modelarts emulator airflow test chaos conformance check docs dist bench clean fresh

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' Makefile

venv: $(VENV)/.dev ## Set up the virtual environment for development

demo: $(VENV)/.demo ## Score handwritten digits on a batch endpoint of the emulator, from a real DAG
	$(python) -m airflow_batch_provider.demo

demo-lifecycle: $(VENV)/.demo ## Create a cluster, a deployment and an endpoint on the emulator, score, and delete them again
	$(python) -m airflow_batch_provider.demo lifecycle

demo-modelarts: $(VENV)/.demo ## Train on handwritten digits by a ModelArts workflow of the emulator, from a real DAG
	$(python) -m airflow_batch_provider.demo modelarts

airflow: $(VENV)/.demo ## Open Airflow's UI with the demo's DAG and emulator, until Ctrl-C
	$(python) -m airflow_batch_provider.demo airflow

emulator: $(VENV)/.demo ## Run the emulator alone, until Ctrl-C
	$(python) -m airflow_batch_provider.emulator

test: $(VENV)/.dev fresh ## Run every test, then require 100 % branch coverage of the pure core
	$(python) -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder
	$(python) -m coverage run -m pytest --quiet tests/core
	$(python) -m coverage report

chaos: $(VENV)/.dev fresh ## For each service, kill every process at every point, and submit a thousand jobs while a fifth of all goes wrong
	CHAOS=1 CHAOS_SUBMISSIONS=1000 CHAOS_SEED=random $(python) -m pytest -s tests/chaos
	CHAOS=1 $(python) -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder tests/e2e/test_durable.py tests/e2e/test_worker_free.py tests/e2e/test_boundaries.py

conformance: $(VENV)/.demo fresh ## Let the vendors' own clients work against the emulator, each in an environment of its own
	$(python) conformance $(CLIENT)

check: $(VENV)/.dev fresh ## Lint, check the format, the types, and who imports whom
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(python) -m mypy
	$(python) -m pytest --quiet tests/test_imports.py

docs: $(VENV)/.dev fresh ## Build the documentation into build/docs; a warning or a broken link fails
	$(python) -m sphinx --builder html --nitpicky --fail-on-warning --keep-going --quiet --doctree-dir build/doctrees docs build/docs
	@echo "The documentation is in build/docs/index.html."

dist: $(VENV)/.dev build/dist/.tools ## Build the distributions, check them, and run an example from the wheel alone
	rm -rf dist
	build/dist/bin/python -m build --quiet --outdir dist .
	build/dist/bin/python -m twine check --strict dist/*
	DIST=$(CURDIR)/dist $(python) -m pytest --quiet tests/dist

# In an environment of its own: the tests must not see the provider that it compares with.
bench: fresh ## Run every benchmark: an hour or more
	@$(MAKE) --no-print-directory VENV=build/bench build/bench/.bench
	@set -e; for script in $(wildcard benchmarks/*.py); do echo "== $$script"; build/bench/bin/python $$script; done

clean: ## Remove everything that these targets made
	rm -rf $(VENV) build dist .demo .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

fresh:
	@rm -rf $(AIRFLOW_HOME) && mkdir -p build

# Theirs: the package and its tests do without what builds and checks them.
build/dist/.tools: constraints.txt
	$(PYTHON) -m venv build/dist
	build/dist/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt build twine
	@touch $@

$(VENV)/.pip: constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit(f"This is Python {v[0]}.{v[1]}, and 3.11 or newer is needed: make PYTHON=/path/to/python3")'
	$(PYTHON) -m venv $(VENV)
	$(install) --upgrade pip
	@touch $@

# The dev extra contains the demo extra.
$(VENV)/.demo $(VENV)/.dev $(VENV)/.bench: $(VENV)/.%: $(VENV)/.pip pyproject.toml
	@echo "Installing Airflow and what '$*' needs into $(VENV): a minute or three, once."
	$(install) --build-constraint constraints.txt --editable '.[$*]'
	@touch $@ $(if $(filter dev,$*),$(VENV)/.demo)
