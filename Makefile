# `make test` on a machine with Python 3.11 and nothing else installs what it needs into $(VENV).

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install -q --progress-bar on --constraint constraints.txt
# Said before the first package comes. An installed torch is kept: who wants the CPU build installs that one first.
SIZE := $(BIN)/python -c 'import torch' 2>/dev/null || printf '%s\n' \
	"torch is the largest of them: 2 GB in all with its CPU build, 5.5 GB with CUDA's (what pip takes on Linux)." \
	"For the CPU build stop here (Ctrl-C), install torch $$(sed -n 's/^torch==//p' constraints.txt) with $(BIN)/python -m pip" \
	"as the install page of PyTorch says for CPU, and run make again."
ARGS ?=
OUT ?= quickstart

# Models as small as those of the tests lose time where threads wait for each other: processes do not.
TEST_THREADS ?= 1
TEST_JOBS ?= 2

.PHONY: help setup test test-all lint format typecheck quickstart bench bench-gpu clean
.DEFAULT_GOAL := help

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1|/p' Makefile | column -t -s '|' 2>/dev/null \
		|| sed -n 's/^\([a-z-]*\):.*## /  make \1: /p' Makefile

setup: $(VENV)/.dev  ## a virtual environment with all that development needs

test: $(VENV)/.dev  ## the fast tests (ARGS='-k crf' chooses)
	OMP_NUM_THREADS=$(TEST_THREADS) MKL_NUM_THREADS=$(TEST_THREADS) $(BIN)/python -m pytest -q -n $(TEST_JOBS) --dist loadfile $(ARGS)

test-all: $(VENV)/.dev  ## the slow ones too
	OMP_NUM_THREADS=$(TEST_THREADS) MKL_NUM_THREADS=$(TEST_THREADS) $(BIN)/python -m pytest -q -n $(TEST_JOBS) --dist loadfile -m "not gpu" $(ARGS)

lint: $(VENV)/.dev  ## ruff: rules and layout
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.dev  ## ruff rewrites the code: order of imports, layout
	$(BIN)/ruff check --fix --select I . && $(BIN)/ruff format .

typecheck: $(VENV)/.dev  ## mypy, strict, on the package
	$(BIN)/mypy

quickstart: $(VENV)/.runtime  ## sample data, teacher, soft labels, student, verdict (OUT=directory, made anew)
	$(BIN)/ner-distill quickstart $(OUT) --overwrite $(ARGS)

bench: $(VENV)/.dev  ## speed against the named baselines (quality: python -m benchmarks.quality --help)
	$(BIN)/python -m benchmarks.crf
	$(BIN)/python -m benchmarks.pairs
	$(BIN)/python -m benchmarks.labelling
	$(BIN)/python -m benchmarks.memory

bench-gpu: $(VENV)/.dev  ## how well one GPU is used: a table, and bench-gpu.json (minutes)
	$(BIN)/python -m benchmarks.gpu $(ARGS)

clean:  ## remove caches and build outputs (not $(VENV))
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find ner_distill tests benchmarks -type d -name __pycache__ -prune -exec rm -rf {} +

# An empty file that is newer than what it was made from: nothing is installed twice.
$(VENV)/.dev: $(VENV)/.python pyproject.toml constraints.txt
	@echo "installing the packages for development into $(VENV): two to five minutes"; $(SIZE)
	@$(PIP) --editable '.[dev]'
	@touch $(VENV)/.dev $(VENV)/.runtime

$(VENV)/.runtime: $(VENV)/.python pyproject.toml constraints.txt
	@echo "installing ner-distill into $(VENV): two to five minutes"; $(SIZE)
	@$(PIP) --editable .
	@touch $@

# A virtual environment that is there already (with pip in it) is used as it is.
$(VENV)/.python:
	@command -v $(PYTHON) >/dev/null || \
		{ echo "make: found no $(PYTHON); install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "make: need Python 3.11 or newer, found $$($(PYTHON) --version); name another: make PYTHON=python3.11"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV) || $(PYTHON) -m virtualenv -q $(VENV) || \
		{ echo "make: $(PYTHON) cannot make a virtual environment; install its venv module" \
			"(Debian, Ubuntu: apt-get install python3-venv) or run: $(PYTHON) -m pip install virtualenv"; exit 1; }
	@touch $@
