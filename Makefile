# The five commands of development. Versions are those of constraints.txt; `.ci/run` runs all checks in a fresh environment.
PYTHON ?= python3
BIN ?= .venv/bin
export OMP_NUM_THREADS ?= 1

.PHONY: help setup test lint figures docs
help: ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## /make \1	/p' Makefile

setup: ## a virtual environment in .venv with everything that tests and checks need
	$(PYTHON) -m venv .venv
	.venv/bin/pip install -c constraints.txt -e '.[test,dev]'

test: ## the test suite, doctests included
	$(BIN)/pytest -q -n 2

lint: ## style, format, types and the import contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports

figures: ## redraw every picture in figures/ whose numbers lie there as JSON, without measuring again
	for name in $(basename $(notdir $(wildcard figures/*.json))); do \
	    if [ -f "experiments/$$name.py" ]; then $(BIN)/python -m "experiments.$$name" --draw-only || exit 1; fi; \
	done

docs: ## the documentation site in site/; the extra `docs` must be installed
	$(BIN)/python -m mkdocs build --strict
