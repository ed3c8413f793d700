# make run    the Ruaro experiment, from a fresh machine to its figures
# make test   the tests, likewise
# make check  style, types, tests      make science  slow published findings      make bench  speed
# make docs   the documentation as a web site, in site/
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test check science bench figures docs setup dev clean

run: $(VENV)/.installed
	$(BIN)/python -m culture_sim.run protocols/ruaro2005.yaml

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n auto -m "not slow and not science and not gpu"

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n auto -m "not slow and not science and not gpu"

science: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m "slow or science"

bench: $(VENV)/.installed-test
	$(BIN)/python -m culture_sim.bench
	$(BIN)/python -m hebbian_dl.bench
	$(BIN)/python -m hebbian_dl.bench.retrieval

figures: $(VENV)/.installed
	$(BIN)/python -m figures.make $(filter-out %.partial/,$(wildcard runs/*/*/))

docs: $(VENV)/.installed-test
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

setup: $(VENV)/.installed
dev: $(VENV)/.installed-dev

$(VENV)/bin/python:
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed: make PYTHON=python3.11')"
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[figures,data]'
	touch $@

$(VENV)/.installed-test: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]'
	touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis site
