# Everything happens in .venv, which is made when it is needed and renewed when what it is made from has changed.
# Another Python: make PYTHON=python3.12 test

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
TOOLS := .venv/.tools
LARGE := benchmarks/growth.py benchmarks/scale.py
BENCHMARKS := $(filter-out benchmarks/__init__.py benchmarks/reference.py $(LARGE),$(wildcard benchmarks/*.py))

.PHONY: help demo test check bench clean
.DELETE_ON_ERROR:

help:
	@echo 'make demo     set up, index real pictures, sounds and texts, search them, evaluate'
	@echo 'make test     every test; ARGS="-k shard" is handed to pytest'
	@echo 'make check    lint, format and types'
	@echo 'make bench    every figure that the README claims, but those of millions of vectors: $(LARGE)'
	@echo 'make clean    remove .venv, caches and build folders; indexes stay'

demo: $(READY)
	@$(BIN)/mmsearch demo

test: $(TOOLS)
	@$(BIN)/python -m pytest -q $(ARGS)

check: $(TOOLS)
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { echo 'not formatted as ruff would: .venv/bin/ruff format .'; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@echo 'lint, format and types: good'

bench: $(TOOLS)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	@for file in $(BENCHMARKS); do echo "$$file"; $(BIN)/python "$$file" || exit 1; done

# A .venv that is half made, was moved or lost its Python has no working pip: it is made anew.
$(READY): pyproject.toml constraints.txt
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || \
	    $(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	    { echo 'mmsearch needs Python 3.11 to 3.13, and $(PYTHON) is not: make PYTHON=python3.12 ...'; exit 1; }
	@echo 'setting up .venv (the first time this takes about a minute)'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[faiss,demo]'
	@touch $@

# Tests and benchmarks need torch as well, gigabytes of it where the registry has no build for the CPU.
$(TOOLS): $(READY)
	@echo 'setting up what tests need (the first time this takes about a minute)'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[faiss,demo,clip,dev]'
	@touch $@

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
