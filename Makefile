# The first verb that needs .venv creates it and builds the extension modules; later ones are quick.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
# Tests start hundreds of processes. Where this is set, each of them compiles every module anew.
unexport PYTHONDONTWRITEBYTECODE
PYTEST := $(BIN)/python -m pytest --quiet --numprocesses auto --dist worksteal

CYTHON := $(shell find src -name '*.pyx' -o -name '*.pxd')
SOURCES := pyproject.toml setup.py $(CYTHON) $(wildcard $(patsubst %.pxd,%_py.py,$(CYTHON)))

# `make test-one tests/pool/test_bitmap_pool.py`: the word after the verb is its FILE, not another verb.
ifeq (test-one,$(firstword $(MAKECMDGOALS)))
FILE ?= $(wordlist 2,$(words $(MAKECMDGOALS)),$(MAKECMDGOALS))
$(foreach each,$(FILE),$(if $(findstring ::,$(each)),,$(eval .PHONY: $(each))$(eval $(each): ; @:)))
.DEFAULT: ; @:
endif

.PHONY: help demo quick test test-compiled test-plain test-one coverage lint format types mypy stubtest bench fuzz figures docs links dist clean sanitize flakes verification seeded-bugs mutants other-kernel

help: ## List the verbs
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: $(VENV)/installed ## Plan a manifest, fill a node pod by pod, run a fleet for some hours
	@$(call show,vpcipam settings examples/aws-node.yaml,what a manifest sets)
	@$(call show,vpcipam plan m5.large --pods 20 --daemonset examples/aws-node.yaml,what a node with these settings takes)
	@$(call show,python examples/fill_a_node.py,the same node filled pod by pod, from Python)
	@$(call show,vpcipam simulate examples/scenarios/rolling-deployment.toml,what ten nodes do in six hours)
	@printf '\ndocs/tutorial.md explains the words and the figures.\nTo use the command: source $(BIN)/activate\n'

# show COMMAND,WHAT: print what the command shows, and the command, then run it.
show = printf '\n--- %s\n$$ %s\n\n' '$(2)' '$(1)' && $(BIN)/$(1)

test: test-compiled test-plain ## Run the suite on the compiled pools, then on the plain ones

test-compiled: $(VENV)/dev ## Run the suite on the compiled pools
	$(PYTEST) $(COMPILED_OPTIONS)

test-plain: $(VENV)/dev ## Run the suite on the plain pools
	VPCIPAM_NO_EXTENSION=1 $(if $(PLAIN_PROFILE),HYPOTHESIS_PROFILE=$(PLAIN_PROFILE)) $(PYTEST) $(PLAIN_OPTIONS) $(if $(COVERAGE),--cov --cov-report=)

test-one: $(VENV)/dev ## Run one file or test on both kinds of pools: make test-one FILE=tests/pool/test_bitmap_pool.py
	@test -n "$(FILE)" || { echo "name a file: make test-one FILE=tests/pool/test_bitmap_pool.py" >&2; exit 2; }
	$(BIN)/python -m pytest --quiet $(FILE)
	VPCIPAM_NO_EXTENSION=1 $(BIN)/python -m pytest --quiet $(FILE)

quick: lint types ## Run lint, types, and the suite with few examples on the compiled pools; after each small step
	HYPOTHESIS_PROFILE=quick $(PYTEST) -m 'not thorough' tests

coverage: ## Measure branch coverage outside cli/ on the plain pools; less than 100 % fails
	$(MAKE) test-plain COVERAGE=1
	$(BIN)/python -m coverage report --fail-under=100

sanitize: $(VENV)/dev ## Run the suites of pools and datastore with AddressSanitizer, UBSan and all checks; takes minutes
	$(BIN)/python tools/sanitize.py

seeded-bugs: $(VENV)/dev ## Plant faults one by one, and show that the suite catches each; takes minutes: make seeded-bugs [ONLY=NAME]
	$(BIN)/python tools/seeded_bugs.py $(ONLY)

other-kernel: $(VENV)/dev ## Run the tests that need ESP and VLANs on Debian's kernel, in a virtual machine; takes minutes, needs Debian and root
	$(BIN)/python tools/other_kernel.py

lint: $(VENV)/dev ## Run ruff (format and rules) and cython-lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	PATH="$(CURDIR)/$(BIN):$$PATH" cython-lint $(CYTHON)  # it calls pycodestyle by name

format: $(VENV)/dev ## Format and fix with ruff
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

types: mypy stubtest ## Run mypy --strict, and compare the stubs with the compiled modules

mypy: $(VENV)/dev
	$(BIN)/mypy

stubtest: $(VENV)/dev
	$(BIN)/python -m mypy.stubtest vpcipam._pool vpcipam.pool.addresses

bench: $(VENV)/dev ## Run the benchmarks, then print ratios to floors measured in the same run
	-$(PIP) install --group rivals
	$(BIN)/python -m pytest benchmarks --benchmark-only --benchmark-enable --quiet
	$(BIN)/python benchmarks/report.py
	$(BIN)/python benchmarks/fleet_report.py
	$(BIN)/python benchmarks/startup.py

fuzz: $(VENV)/dev ## Fuzz the readers, the offline EC2 and the pools with atheris: make fuzz SECONDS=60 TARGET=trace KEEP=1
	$(if $(INPUT),,-$(PIP) install --group fuzz)
	PYTHONPATH=tools $(BIN)/python -m fuzz --seconds $(or $(SECONDS),60) $(if $(TARGET),--target $(TARGET)) $(if $(KEEP),--keep) $(if $(INPUT),--input $(INPUT))

flakes: $(VENV)/dev ## Run the quick suite RUNS times with other seeds, half of them two at a time, and list tests that fail in some runs only
	$(BIN)/python tools/flakes.py $(RUNS)

verification: $(VENV)/dev ## Search for faults for MINUTES (60), and renew the figures of docs/verification.md
	$(PIP) install --group other-ipams
	$(BIN)/python tools/verification.py run $(or $(MINUTES),60)
# Takes hours without SAMPLE. Seeds 1, 2, 3 … take other mutants each.

mutants: $(VENV)/dev ## See whether the tests notice small changes of the core: make mutants ROOM=pool SAMPLE=200 SEED=1
	$(PIP) install --group mutants
	$(BIN)/python tools/mutants.py $(addprefix --room=,$(ROOM)) $(addprefix --sample=,$(SAMPLE)) $(addprefix --seed=,$(SEED)) $(if $(RESUME),--resume)

figures: $(VENV)/dev ## Renew the figures, tables and pictures of docs/*.md from the commands beside them; takes minutes
	$(BIN)/python tests/inspection/symptoms.py
	$(BIN)/python tools/figures.py
	$(BIN)/python tools/draw_layers.py
	$(BIN)/python tools/draw_concepts.py

docs: $(VENV)/dev ## Build the site in build/site; a warning is an error
	VPCIPAM_NO_EXTENSION=1 $(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --builder html docs build/site
	@echo "build/site/index.html"

links: $(VENV)/dev ## Check that every link out of the site leads somewhere
	VPCIPAM_NO_EXTENSION=1 $(BIN)/python -m sphinx --quiet --builder linkcheck docs build/links

dist: $(VENV)/dev ## Build sdist and wheel in dist/, and check their contents
	rm -rf dist
	VPCIPAM_REQUIRE_EXTENSION=1 $(BIN)/python -m build --no-isolation --outdir dist .
	$(BIN)/python tools/check_dist.py dist

clean: ## Remove everything that make created
	rm -rf $(VENV) build dist .cache .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache .benchmarks
	rm -rf src/*.egg-info
	find src \( -name '*.so' -o -name '*.c' -o -name '_*.html' \) -delete
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

# The tests need the compiled pools, so that the set-up fails here without them, not the suite later.
$(VENV)/dev: $(VENV)/bin/python $(SOURCES)
	@echo "Setting up $(VENV) for development (once)"
	VPCIPAM_REQUIRE_EXTENSION=1 $(PIP) install --editable '.[cli]' --group dev
	@touch $@ $(VENV)/installed
