# Every verb sets itself up: the first run makes .venv and builds the extension, later ones are quick.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest --quiet --numprocesses auto --dist worksteal

# The modules that users import from; pdoc finds none by itself, since the package loads them when they are asked for.
PUBLIC := errors address sandbox pool limits settings journal stats quarantine restoration events datastore warmpool policies ec2 action node planner prometheus fleet report

SOURCES := pyproject.toml setup.py src/vpcipam/_pool.pyx src/vpcipam/fleet/_loop_py.py $(wildcard src/vpcipam/*.pxd src/vpcipam/pool/*.pxd src/vpcipam/fleet/*.pxd)

.PHONY: help demo test test-compiled test-plain coverage lint format types bench docs dist clean

help: ## Say what there is
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: $(VENV)/installed ## Plan a real manifest, fill a node pod by pod, run a fleet for some hours
	@$(BIN)/vpcipam settings examples/aws-node.yaml
	@echo
	@$(BIN)/vpcipam plan m5.large --pods 20 --daemonset examples/aws-node.yaml
	@echo
	@$(BIN)/python examples/fill_a_node.py
	@echo
	@$(BIN)/vpcipam simulate examples/scenarios/rolling-deployment.toml

test: test-compiled test-plain ## Run the suite on the compiled pools, then on the plain ones

test-compiled: $(VENV)/dev
	$(PYTEST)

test-plain: $(VENV)/dev
	VPCIPAM_NO_EXTENSION=1 $(if $(PLAIN_PROFILE),HYPOTHESIS_PROFILE=$(PLAIN_PROFILE)) $(PYTEST) $(PLAIN_OPTIONS) $(if $(COVERAGE),--cov --cov-report=)

coverage: ## Branch coverage of the Python below cli/, on the plain pools; less than 100 % fails
	$(MAKE) test-plain COVERAGE=1
	$(BIN)/python -m coverage report --fail-under=100

lint: $(VENV)/dev ## ruff (format and rules), cython-lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	PATH="$(CURDIR)/$(BIN):$$PATH" cython-lint src/vpcipam/*.pyx src/vpcipam/*.pxd src/vpcipam/pool/*.pxd src/vpcipam/fleet/*.pxd  # it calls pycodestyle by name

format: $(VENV)/dev ## Let ruff write the format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

types: $(VENV)/dev ## mypy --strict, and the stub against the compiled module
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest vpcipam._pool

bench: $(VENV)/dev ## Benchmarks, then their ratios to the floors measured in the same run
	$(BIN)/python -m pytest benchmarks --benchmark-only --benchmark-enable --quiet
	$(BIN)/python benchmarks/report.py
	$(BIN)/python benchmarks/fleet_report.py

docs: $(VENV)/dev ## The API reference as HTML, in build/docs
	$(BIN)/python -m pdoc --docformat google --output-directory build/docs vpcipam $(addprefix vpcipam.,$(PUBLIC))
	@echo "build/docs/index.html"

dist: $(VENV)/dev ## sdist and wheel in dist/, and a check of what they hold
	rm -rf dist
	VPCIPAM_REQUIRE_EXTENSION=1 $(BIN)/python -m build --outdir dist .
	$(BIN)/python tools/check_dist.py dist

clean: ## Remove all that was made here
	rm -rf $(VENV) build dist .cache .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache .benchmarks
	rm -rf src/*.egg-info src/vpcipam/*.so src/vpcipam/_pool.c src/vpcipam/_pool.html
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- set-up ------------------------------------------------------------------------------------------------------------------

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(f"vpcipam needs Python 3.11 or newer; {sys.executable} is {sys.version.split()[0]}: make PYTHON=python3.12 …" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade 'pip>=25.1'

$(VENV)/installed: $(VENV)/bin/python $(SOURCES)
	@echo "Setting up $(VENV) (once)"
	$(PIP) install --editable '.[cli]'
	@touch $@

# The tests want the compiled pools: without them the set-up fails here, not the suite later.
$(VENV)/dev: $(VENV)/bin/python $(SOURCES)
	@echo "Setting up $(VENV) for development (once)"
	VPCIPAM_REQUIRE_EXTENSION=1 $(PIP) install --editable '.[cli]' --group dev
	@touch $@ $(VENV)/installed
