# The verbs: make help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FAST := not slow and not science and not gpu
.DEFAULT_GOAL := help

.PHONY: help run quick test check science bench gpu figures docs setup dev clean

help:  ## list these verbs
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

run: $(VENV)/.installed  ## the Ruaro experiment, from a fresh machine to its figures
	$(BIN)/python -m culture_sim.run protocols/ruaro2005.yaml

quick: $(VENV)/.installed-test  ## unit tests alone, in a minute
	$(BIN)/python -m pytest -n auto -m "$(FAST) and not whole" tests

test: $(VENV)/.installed-test  ## all fast tests, from a fresh machine
	$(BIN)/python -m pytest -n auto -m "$(FAST)"

check: $(VENV)/.installed-dev  ## style, types and tests: what a change must pass
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n auto -m "$(FAST)"

science: $(VENV)/.installed-test  ## slow tests and published findings
	$(BIN)/python -m pytest --timeout 0 -m "slow or science"

bench: $(VENV)/.installed-test  ## speed, measured here
	$(BIN)/python -m culture_sim.bench
	$(BIN)/python -m hebbian_dl.bench
	$(BIN)/python -m hebbian_dl.bench.retrieval

gpu: $(VENV)/.installed-test  ## all that a GPU has to answer: tests, speed, table 2; in runs/gpu
	PYTHON=$(BIN)/python tests/gpu_check.sh runs/gpu 3600

figures: $(VENV)/.installed  ## draw the figures of all finished runs again
	$(BIN)/python -m figures.make $(filter-out %.partial/,$(wildcard runs/*/*/))

docs: $(VENV)/.installed-test  ## the documentation as a web site, in site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

setup: $(VENV)/.installed  ## .venv for runs and figures
dev: $(VENV)/.installed-dev  ## .venv with everything, for work on the code

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

clean:  ## remove .venv and caches
	rm -rf $(VENV) *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis site
