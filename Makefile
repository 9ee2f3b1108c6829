# Two commands for a fresh machine: `make demo` and `make test`.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready
DATA ?= $(CMRSEG_DATA)

.PHONY: setup demo test lint bench weights weights-emidec weights-mnms2 samples clean

demo: setup ## both recipes on sample cases: a table and a picture
	@$(BIN)/cmrseg demo tests/samples out/demo

test: setup ## the whole test suite
	@$(BIN)/python -m pytest

lint: setup ## style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: setup ## speed and memory, as ratios measured in one run
	@$(BIN)/python -m cmrseg.bench

setup: $(READY) ## .venv with locked dependencies, the CPU build of torch, and cmrseg

$(READY): pyproject.toml docker/locks/dev.txt docker/torch.sh
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: set PYTHON=" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "setting up .venv (a few minutes the first time)"
	@docker/torch.sh $(BIN)/python
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes \
		-r docker/locks/dev.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

clean: ## everything made here except weights
	rm -rf .venv out runs cache
