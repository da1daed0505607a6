# Everything a developer or CI runs. `make help` lists it.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
# Compiled modules make a process start in a fifth of the time.
unexport PYTHONDONTWRITEBYTECODE
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help
.PHONY: help install lock demo serve test check bench soak fmt clean

help:  ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(VENV)/.installed  ## a virtual environment in .venv with Telamon, its tools and a mongod

$(VENV)/.installed: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "Python 3.11 is needed; name one: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet uv==$(UV_VERSION)
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@sh tools/mongod_libraries.sh $(BIN)/python
	@touch $@

lock:  ## pin every dependency anew in requirements.lock, without addresses
	$(BIN)/uv export --quiet --no-emit-project --all-extras --format requirements-txt --no-header --no-annotate -o requirements.lock

demo: install  ## a real MongoDB, a snapshot, a restore, and the restore job read back through the API
	$(BIN)/python tools/demo.py

serve: install  ## a server on ./telamon-data
	@test -e telamon-data/telamon.db || $(BIN)/telamon init --data-dir telamon-data
	$(BIN)/telamon serve --data-dir telamon-data

T ?= tests
test: install  ## every test; T=path for some
	$(BIN)/python -m pytest -n 3 --dist loadgroup -q $(T)

check: install  ## format, lint, types, layers
	$(BIN)/ruff format --check --quiet src tests tools benchmarks
	$(BIN)/ruff check --quiet src tests tools benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

fmt: install  ## write the generated documents, format, and mend what the linter can
	$(BIN)/python -m tools.documents
	$(BIN)/ruff check --quiet --fix src tests tools benchmarks
	$(BIN)/ruff format --quiet src tests tools benchmarks

BENCH ?=
bench: install  ## measure (BENCH="--size-mb 64 --only read,first"), and write benchmarks/results.md
	$(BIN)/python -m benchmarks.run $(BENCH)

SOAK ?=
soak: install  ## kill and freeze a fleet while it works (SOAK="--seconds 30 --instances 2"); --help has more
	$(BIN)/python -m benchmarks.soak $(SOAK)

clean:  ## remove the environment and every cache
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .demo dist
