# `make demo` and `make test` on a fresh machine; `make help` lists the rest.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready

# Labelled data, for the targets that train or study: folders in the challenges' layouts
# (docker/weights.sh has the usual ones), and the short axis's preset.
export ACDC MNMS1 DSB2 EMIDEC SHORT

.PHONY: help setup demo test lint docs containers expected bench house cards samples weights-short-axis weights-long-axis weights-emidec clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 22

demo: setup ## segment the sample cases with both recipes
	@$(BIN)/cmrseg demo tests/samples out/demo

test: setup ## the whole test suite
	@$(BIN)/python -m pytest

lint: setup ## style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

docs: .venv/.docs ## the documentation as a web site, in out/site
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict -q -f docs/mkdocs.yml

containers: setup ## build and test all images, where there is a Docker engine
	@.ci/containers

expected: setup ## the masks that container tests compare with, anew from weights/
	@docker/expected.sh

bench: setup ## speed and memory, as ratios measured in one run
	@$(BIN)/python -m cmrseg_lab.studies.bench

house: setup ## size and shape of the code: the numbers this project holds itself to
	@$(BIN)/python docker/house.py

cards: setup ## model cards and datasheets anew, where what they are made of has changed
	@$(BIN)/python -m cmrseg_lab.training.datasheets docs/datasheets weights

samples: setup ## make the committed sample cases anew
	$(BIN)/python tests/samples/make.py

weights-short-axis: ## train the short-axis network and its autoencoder (hours); SHORT=short_axis_large on a GPU
weights-long-axis: ## train a long-axis network on real, reformatted and synthetic images (hours)
weights-emidec: ## train the network for late enhancement of any contrast (hours)
weights-short-axis weights-long-axis weights-emidec: setup
	@docker/weights.sh $(@:weights-%=%)

clean: ## everything made here except weights
	rm -rf .venv out runs cache

setup: $(READY) ## .venv with locked dependencies, the CPU build of torch, and cmrseg

$(READY): pyproject.toml src/cmrseg_lab/pyproject.toml docker/locks/dev.txt docker/torch.sh
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: set PYTHON=" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "setting up .venv (a few minutes the first time)"
	@docker/torch.sh $(BIN)/python
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes \
		-r docker/locks/dev.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation \
		-e . -e src/cmrseg_lab
	@touch $@

.venv/.docs: $(READY) docker/locks/docs.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes \
		-r docker/locks/docs.txt
	@touch $@
