# `make demo` and `make test` on a fresh machine; `make help` lists the rest.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready

# Labelled data, for the targets that train or study: folders in the challenges' layouts.
ACDC ?= data/acdc_as_mnms2
MNMS1 ?= data/mnms1_as_mnms2
DSB2 ?= data/dsb2_4ch
EMIDEC ?= data/emidec_from_png
# Its preset: short_axis or short_axis_large.
SHORT ?= short_axis
LAB = $(BIN)/cmrseg-lab

.PHONY: help setup demo test lint docs containers expected bench house cards samples weights-short-axis weights-long-axis clean

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

weights-short-axis: setup ## train the short-axis network and its autoencoder (hours); SHORT=short_axis_large on a GPU
	$(LAB) prepare mnms2-sa cache/short-axis acdc=$(ACDC) mnms1=$(MNMS1)
	$(LAB) train $(SHORT) cache/short-axis runs/short-axis --fold 0
	$(LAB) train qc_short_axis cache/short-axis runs/qc-short-axis --fold 0
	$(LAB) pack mnms2 weights/mnms2 runs/short-axis/checkpoint.safetensors \
		runs/qc-short-axis/checkpoint.safetensors --keep weights/mnms2
	@# Slices of synthetic hearts, which may travel in a bundle, for refinement.
	$(LAB) synthesize mnms2 cache/short-axis-hearts --patients 24 --seed 7
	$(LAB) prepare mnms2-sa cache/short-axis synthetic=cache/short-axis-hearts
	$(LAB) calibrate mnms2-sa cache/short-axis --weights weights/mnms2

weights-long-axis: setup ## train a long-axis network on real, reformatted and synthetic images (hours)
	$(LAB) synthesize mnms2 cache/synthetic --patients 240 --seed 7
	$(LAB) prepare mnms2-la cache/long-axis dsb2=$(DSB2) acdc-reformatted=$(ACDC) \
		mnms1-reformatted=$(MNMS1) synthetic=cache/synthetic
	$(LAB) train long_axis cache/long-axis runs/long-axis-0 --fold 0

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
