# Two commands for a fresh machine: `make demo` (set-up and the main job) and `make test` (set-up and tests).
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
# Processes that tests run in; each takes up to 3 GB. Files in their order: else those with few, long tests come last.
TEST_WORKERS ?= 2
NATIVE := $(shell find cuda -type f)
CXX_SOURCES := $(shell find cuda tests/native -name '*.h' -o -name '*.cpp' -o -name '*.cu')

.PHONY: demo test test-fast bench docs lint format

$(VENV)/.installed: pyproject.toml $(NATIVE)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

demo: $(VENV)/.installed
	$(BIN)/splatkit run scripts/demo.toml --out demo

test: $(VENV)/.installed lint
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder

test-fast: $(VENV)/.installed
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder -m "not slow"

bench: $(VENV)/.installed
	$(BIN)/python scripts/benchmark.py splatting --json outputs/benchmark_splatting.json
	$(BIN)/python scripts/benchmark.py training --json outputs/benchmark_training.json

docs: $(VENV)/.installed
	$(BIN)/mkdocs build --strict

lint: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/clang-format --dry-run --Werror $(CXX_SOURCES)
	$(BIN)/mypy

format: $(VENV)/.installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/clang-format -i $(CXX_SOURCES)
