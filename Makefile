# Two commands for a fresh machine: `make demo` and `make test`.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready

# How the committed weights were made: `make weights ACDC=FOLDER EMIDEC=FOLDER` (hours on two cores).
# Each network was trained in runs that go on from one another, each with a fresh schedule. Up to
# mnms2-sa-0d and mnms2-la-0b they had the seed of the run before them, so the same draws once more;
# today's --start takes the next one. Those runs, sa-synthetic and the autoencoders saw the first 80
# hearts (sa-synthetic its own 240), as the generator drew them at commit 4ac1c69; mnms2-sa-0e, -s1,
# -st0 and -st1 saw those of commit 1e280b8 and mnms2-la-0c and -s1 those of e81c833 (GENERATION in
# src/cmrseg_lab/synthetic/record.py tells). EMIDEC's networks were made before patches of a deep stack
# stopped reaching beyond its ends (52e0051). The first two of mnms2-sa and of mnms2-la had the milder
# augmentation of commit eb1440e, mnms2-sa-0c and sa-synthetic that of d3683a3.
ACDC ?= data/acdc_as_mnms2
EMIDEC ?= data/emidec_from_png
TRAIN = $(BIN)/cmrseg train
AT = checkpoint.safetensors
COMMIT = $(shell git rev-parse --short HEAD)

.PHONY: setup demo test lint containers expected bench weights results-mnms2 quality weights-emidec weights-mnms2 transfer augmentation realism cards samples clean

demo: setup ## both recipes on sample cases: a table and a picture
	@$(BIN)/cmrseg demo tests/samples out/demo

test: setup ## the whole test suite
	@$(BIN)/python -m pytest

lint: setup ## style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

containers: setup ## build and test all images, where there is a Docker engine
	@.ci/containers

expected: setup ## the masks that container tests compare with, anew from weights/
	@docker/expected.sh

bench: setup ## speed and memory, as ratios measured in one run
	@$(BIN)/python -m cmrseg_lab.studies.bench

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

weights: weights-mnms2 weights-emidec ## train, pack and score both committed bundles

MEAN_LA = --steps 2500 --learning-rate 1.5e-3 --averaged 0.33

weights-mnms2: setup runs/sa-synthetic
	rm -rf cache/hearts
	$(BIN)/cmrseg synthesize mnms2 cache/hearts --patients 160 --seed 7
	$(BIN)/cmrseg preprocess mnms2-sa $(ACDC) cache/mnms2-sa --source acdc
	$(BIN)/cmrseg preprocess mnms2-la cache/hearts cache/mnms2-la --source synthetic
	$(BIN)/cmrseg preprocess mnms2-la $(ACDC) cache/mnms2-la --source acdc-reformatted --reformat
	$(TRAIN) mnms2-sa cache/mnms2-sa runs/mnms2-sa-0
	$(TRAIN) mnms2-sa cache/mnms2-sa runs/mnms2-sa-0b --steps 1300 --learning-rate 1.2e-3 --seed 0 \
		--start runs/mnms2-sa-0/$(AT)
	$(BIN)/cmrseg preprocess mnms2-sa cache/hearts cache/mnms2-sa --source synthetic
	$(TRAIN) mnms2-sa cache/mnms2-sa runs/mnms2-sa-0c --steps 3000 --learning-rate 1.5e-3 --seed 0 \
		--start runs/mnms2-sa-0b/$(AT)
	$(TRAIN) mnms2-sa cache/mnms2-sa runs/mnms2-sa-0d --steps 3000 --learning-rate 1.2e-3 --seed 0 \
		--start runs/mnms2-sa-0c/$(AT)
	$(TRAIN) mnms2-sa cache/mnms2-sa runs/mnms2-sa-0e --steps 3600 --learning-rate 1.5e-3 --seed 4 \
		--start runs/mnms2-sa-0d/$(AT)
	$(TRAIN) mnms2-sa cache/mnms2-sa runs/mnms2-sa-s1 --steps 3300 --learning-rate 2e-3 --seed 7 \
		--start runs/sa-synthetic/$(AT)
	$(TRAIN) mnms2-sa cache/mnms2-sa runs/mnms2-sa-st0 --config stack --steps 3300 --seed 21 \
		--learning-rate 1.5e-3 --start runs/mnms2-sa-0e/$(AT)
	$(TRAIN) mnms2-sa cache/mnms2-sa runs/mnms2-sa-st1 --config stack --steps 2200 --seed 22 \
		--learning-rate 1.5e-3 --start runs/mnms2-sa-s1/$(AT)
	$(TRAIN) mnms2-la cache/mnms2-la runs/mnms2-la-0 --steps 1000
	$(TRAIN) mnms2-la cache/mnms2-la runs/mnms2-la-0b --steps 1300 --learning-rate 1.5e-3 --seed 0 \
		--start runs/mnms2-la-0/$(AT)
	$(TRAIN) mnms2-la cache/mnms2-la runs/mnms2-la-0c --steps 1600 --learning-rate 2e-3 --seed 1 \
		--start runs/mnms2-la-0b/$(AT)
	$(TRAIN) mnms2-la cache/mnms2-la runs/mnms2-la-s1 --steps 1600 --learning-rate 2e-3 --seed 5 \
		--start runs/mnms2-la-0/$(AT)
	rm -rf cache/more-hearts
	$(BIN)/cmrseg synthesize mnms2 cache/more-hearts --patients 320 --seed 8
	$(BIN)/cmrseg preprocess mnms2-la cache/more-hearts cache/mnms2-la-more --source synthetic
	$(BIN)/cmrseg preprocess mnms2-la $(ACDC) cache/mnms2-la-more --source acdc-reformatted --reformat
	$(TRAIN) mnms2-la cache/mnms2-la-more runs/mnms2-la-t0 $(MEAN_LA) --seed 31 \
		--start runs/mnms2-la-0c/$(AT)
	$(TRAIN) mnms2-la cache/mnms2-la-more runs/mnms2-la-t1 $(MEAN_LA) --seed 32 \
		--start runs/mnms2-la-s1/$(AT)
	$(BIN)/cmrseg train-qc mnms2-sa-qc cache/mnms2-sa runs/qc-sa
	$(BIN)/cmrseg train-qc mnms2-la-qc cache/mnms2-la runs/qc-la
	$(BIN)/cmrseg pack mnms2 weights/mnms2 --commit $(COMMIT) \
		$(foreach run,sa-0e sa-st0 sa-st1 la-t0 la-t1,runs/mnms2-$(run)/$(AT)) \
		runs/qc-sa/$(AT) runs/qc-la/$(AT)
	$(BIN)/cmrseg calibrate mnms2-la cache/mnms2-la-more --weights weights/mnms2
	$(BIN)/cmrseg calibrate mnms2-sa cache/mnms2-sa --weights weights/mnms2
	$(BIN)/cmrseg validate mnms2 $(ACDC) out/scores-mnms2 --source acdc --weights weights/mnms2 --record

runs/sa-synthetic: | setup ## a short-axis network that has seen drawn hearts alone
	rm -rf cache/hearts-sa cache/synthetic-sa
	$(BIN)/cmrseg synthesize mnms2 cache/hearts-sa --patients 240 --seed 11
	$(BIN)/cmrseg preprocess mnms2-sa cache/hearts-sa cache/synthetic-sa --source synthetic
	$(TRAIN) mnms2-sa cache/synthetic-sa runs/sa-synthetic --steps 3000

# The paper's second segmenter, and its tables. (The first two trainings had the augmentation of
# 87d8741.) Beside the committed BN1 stand pools of more candidates, which tell what each trio would be
# worth: other runs, and the committed ones trained on with the paper's generalised Dice. BN2's
# autoencoder of the short axis is the one trained on with gross errors (see quality).
GENERALISED = --dice generalised --averaged 0.6 --learning-rate 8e-4
BN2 = --config bn2-compact --keep 3

results-mnms2: setup ## galati2021's tables and figures, with a BN2 trained beside the committed BN1
	$(TRAIN) mnms2-sa cache/mnms2-sa runs/mnms2-sa-ge --steps 600 $(GENERALISED) --seed 52 \
		--start runs/mnms2-sa-0e/$(AT)
	$(TRAIN) mnms2-sa cache/mnms2-sa runs/mnms2-sa-g0 --config stack --steps 500 $(GENERALISED) --seed 51 \
		--start runs/mnms2-sa-st0/$(AT)
	$(TRAIN) mnms2-sa cache/mnms2-sa runs/mnms2-sa-g1 --config stack --steps 500 $(GENERALISED) --seed 53 \
		--start runs/mnms2-sa-st1/$(AT)
	$(TRAIN) mnms2-la cache/mnms2-la-more runs/mnms2-la-u0 --steps 400 $(GENERALISED) --seed 54 \
		--start runs/mnms2-la-t0/$(AT)
	$(TRAIN) mnms2-la cache/mnms2-la-more runs/mnms2-la-u1 --steps 400 $(GENERALISED) --seed 55 \
		--start runs/mnms2-la-t1/$(AT)
	$(BIN)/cmrseg pack mnms2 out/pool-sa --commit $(COMMIT) \
		$(foreach run,0e st0 st1 ge g0 g1,runs/mnms2-sa-$(run)/$(AT))
	$(BIN)/cmrseg pack mnms2 out/pool-la --commit $(COMMIT) \
		$(foreach run,0c s1 t0 t1 u0 u1,runs/mnms2-la-$(run)/$(AT))
	$(TRAIN) mnms2-sa cache/mnms2-sa runs/mnms2-sa-bn2 $(BN2) --steps 1500
	$(TRAIN) mnms2-sa cache/mnms2-sa runs/mnms2-sa-bn2b $(BN2) --steps 800 \
		--learning-rate 1.2e-3 --seed 0 --start runs/mnms2-sa-bn2/$(AT)
	$(TRAIN) mnms2-sa cache/mnms2-sa runs/mnms2-sa-bn2c $(BN2) --steps 1250 \
		--learning-rate 1.2e-3 --start runs/mnms2-sa-bn2b/$(AT)
	$(TRAIN) mnms2-la cache/mnms2-la-more runs/mnms2-la-bn2 $(BN2) --steps 1750
	$(BIN)/cmrseg pack mnms2 out/bn2 --commit $(COMMIT) runs/mnms2-sa-bn2c/best-?.safetensors \
		runs/mnms2-la-bn2/best-?.safetensors runs/qc-sa2/$(AT) runs/qc-la/$(AT)
	$(BIN)/cmrseg calibrate mnms2-la cache/mnms2-la-more --weights out/bn2
	$(BIN)/cmrseg calibrate mnms2-sa cache/mnms2-sa --weights out/bn2
	$(BIN)/cmrseg score-qc runs/qc-sa/$(AT) cache/mnms2-sa out/quality/qc-sa $(JUDGED) \
		--segmenter runs/mnms2-sa-st0/$(AT)
	$(BIN)/cmrseg score-qc runs/qc-la/$(AT) cache/mnms2-la-more out/quality/qc-la $(JUDGED) \
		--segmenter runs/mnms2-la-t0/$(AT)
	$(BIN)/cmrseg reproduce mnms2 $(ACDC) docs/results/mnms2 --precision fp32 \
		--segmenter BN1=weights/mnms2 --segmenter BN2=out/bn2 \
		--pool SA=out/pool-sa --pool LA=out/pool-la \
		--shift low-field --shift resolution --shift contrast --hearts 4 \
		--refine-images 8 --refine-budget 20 \
		--scores SA=out/quality/qc-sa/autoencoder.json --scores LA=out/quality/qc-la/autoencoder.json

# What helps an autoencoder: short and equal trainings from scratch that differ in one thing each, and
# the committed ones. qc-sa2 is the short axis's, trained on with gross errors. The committed page was
# made without the last three trainings (five slices, the paper's network with and without errors).
QC = $(BIN)/cmrseg train-qc mnms2-sa-qc cache/mnms2-sa
EQUAL = --steps 300
GROSS = --blunders 0.4
JUDGED = --errors 4 --alone 1 --work out/quality/work

quality: setup ## quality control's autoencoders beside one another: a page
	$(QC) runs/qc-sa2 --steps 500 --learning-rate 1e-3 --blunders 0.5 --start runs/qc-sa/$(AT)
	$(QC) runs/qcx-3 $(EQUAL) $(GROSS)
	$(QC) runs/qcx-1 $(EQUAL) $(GROSS) --slices 1
	$(QC) runs/qcx-5 $(EQUAL) $(GROSS) --slices 5
	$(QC) runs/qcx-paper-d $(EQUAL) $(GROSS) --config paper-denoising
	$(QC) runs/qcx-paper $(EQUAL) --corrupted 0 --config paper-denoising
	@for run in qc-sa qc-sa2 qcx-3 qcx-1 qcx-5 qcx-paper-d qcx-paper; do \
		$(BIN)/cmrseg score-qc runs/$$run/$(AT) cache/mnms2-sa out/quality/$$run $(JUDGED) \
			--segmenter runs/mnms2-sa-st0/$(AT) || exit 1; done
	$(BIN)/cmrseg score-qc runs/qc-la/$(AT) cache/mnms2-la-more out/quality/qc-la $(JUDGED) \
		--segmenter runs/mnms2-la-t0/$(AT)
	$(BIN)/cmrseg compare-qc docs/results/quality \
		"committed=out/quality/qc-sa/autoencoder.json" \
		"trained on=out/quality/qc-sa2/autoencoder.json" \
		"3 slices=out/quality/qcx-3/autoencoder.json" \
		"1 slice=out/quality/qcx-1/autoencoder.json" \
		"5 slices=out/quality/qcx-5/autoencoder.json" \
		"paper's, denoising=out/quality/qcx-paper-d/autoencoder.json" \
		"paper's, true masks=out/quality/qcx-paper/autoencoder.json" \
		"committed LA=out/quality/qc-la/autoencoder.json" \
		--pair "trained on" committed --pair "3 slices" "1 slice" \
		--pair "5 slices" "3 slices" --pair "3 slices" "paper's, denoising" \
		--pair "paper's, denoising" "paper's, true masks"

# A start that has seen no EMIDEC patient, then five folds: a usual training (a), then by turns the
# uncertainty loss and a usual training (f, g, h), and the uncertainty loss again, which leaves the
# mean of its last weights (k). The ablation's baseline (bf, bg, bh, bk) parts from it after a: runs
# as long, with the same seeds, without that loss. What the committed ones differ in beside it is told
# by UNLIKE; made anew they differ in nothing else: make weights-emidec UNLIKE=
EMIDEC_START = runs/emidec-pre/$(AT)
FIRST = --steps 250 --learning-rate 1e-3
LAST = --steps 150 --learning-rate 1e-3
MEAN = $(LAST) --averaged 0.67 --seed 5
PROPOSED = --samples 5 --alpha 3
RESULTS = docs/results/emidec
UNLIKE = The two arms were not trained on one day: the augmentation of the proposed method's first 250 of \
these steps knew no other fields of view (the code of 5485fce), and that of its first 900 cut patches \
of stacks deeper than the patch in another way (before 52e0051); the baseline had today's all along.

weights-emidec: setup
	$(BIN)/cmrseg synthesize emidec cache/hearts-lge --patients 160 --seed 21
	$(BIN)/cmrseg preprocess emidec cache/hearts-lge cache/emidec-pretrain --source synthetic
	$(BIN)/cmrseg preprocess emidec $(ACDC) cache/emidec-pretrain --source acdc-implanted --implant
	$(TRAIN) emidec cache/emidec-pretrain runs/emidec-pre --fold all --steps 1300
	$(BIN)/cmrseg preprocess emidec $(EMIDEC) cache/emidec --source emidec
	@r=runs/emidec; for k in 0 1 2 3 4; do \
		run() { name=$$1; shift; \
			$(TRAIN) emidec cache/emidec $$r-$$name$$k --fold $$k --seed 0 "$$@"; }; \
		run a --steps 450 --start $(EMIDEC_START) && \
		run f $(FIRST) $(PROPOSED) --start $$r-a$$k/$(AT) && \
		run g --steps 500 --start $$r-f$$k/$(AT) && \
		run h $(LAST) $(PROPOSED) --start $$r-g$$k/$(AT) && \
		run k $(MEAN) $(PROPOSED) --start $$r-h$$k/$(AT) || exit 1; \
		[ $$k -gt 1 ] || { \
		run bf $(FIRST) --start $$r-a$$k/$(AT) && \
		run bg --steps 500 --start $$r-bf$$k/$(AT) && \
		run bh $(LAST) --start $$r-bg$$k/$(AT) && \
		run bk $(MEAN) --start $$r-bh$$k/$(AT); } || exit 1; done
	$(BIN)/cmrseg pack emidec weights/emidec --commit $(COMMIT) \
		runs/emidec-k?/$(AT)
	$(BIN)/cmrseg pack emidec out/emidec-baseline --commit $(COMMIT) \
		runs/emidec-bk?/$(AT)
	$(BIN)/cmrseg reproduce emidec $(EMIDEC) $(RESULTS) --weights weights/emidec \
		--baseline out/emidec-baseline --samples 6 --precision fp32 --note "$(UNLIKE)"
	$(BIN)/cmrseg calibrate emidec $(EMIDEC) --weights weights/emidec --work $(RESULTS)/work \
		--samples 6 --precision fp32
	$(BIN)/cmrseg validate emidec $(EMIDEC) out/scores-emidec --source emidec \
		--weights weights/emidec --record
	$(BIN)/cmrseg reproduce emidec $(EMIDEC) $(RESULTS) --weights weights/emidec \
		--baseline out/emidec-baseline --samples 6 --precision fp32 --note "$(UNLIKE)"

# Does adding synthetic hearts to real ones help? Bundles scored on hearts none of them saw: the same
# start, steps and augmentation with and without them (0c), synthetic hearts alone (these three with
# the augmentation of d3683a3), and the committed bundle.
transfer: setup runs/sa-synthetic ## real against synthetic training, on real and drawn hearts: a table
	$(BIN)/cmrseg preprocess mnms2-sa $(ACDC) cache/acdc-sa --source acdc
	$(TRAIN) mnms2-sa cache/acdc-sa runs/sa-real --steps 3000 --learning-rate 1.5e-3 --seed 0 \
		--start runs/mnms2-sa-0b/$(AT)
	rm -rf out/transfer/in out/transfer/out
	@for name in sa-real sa-synthetic mnms2-sa-0c; do \
		$(BIN)/cmrseg pack mnms2 out/transfer/$$name runs/$$name/$(AT) || exit 1; done
	@for style in in out; do $(BIN)/cmrseg synthesize mnms2 out/transfer/$$style \
		--patients 16 --seed 99 --style $$style || exit 1; done
	$(BIN)/python -m cmrseg.transfer src/cmrseg/synthetic/TRANSFER.md out/transfer/work \
		--weights "real=out/transfer/sa-real" --weights "real and synthetic=out/transfer/mnms2-sa-0c" \
		--weights "synthetic=out/transfer/sa-synthetic" --weights "committed=weights/mnms2" \
		--data "Real hearts=$(ACDC):acdc" \
		--data "Real hearts as another vendor would show them=$(ACDC):acdc:canon-1.5t" \
		--data "Real hearts, noisy and pale=$(ACDC):acdc:ge-1.5t" \
		--data "Real hearts as at 0.55 T=$(ACDC):acdc:low-field" \
		--data "Synthetic hearts, training styles=out/transfer/in" \
		--data "Synthetic hearts, held-out styles=out/transfer/out"

# What each group of augmentation brings: one network goes on for AUGMENTED_STEPS in nine ways that
# differ in nothing else. cache/mnms2-sa (patients and drawn hearts) and the start are of weights-mnms2.
AUGMENTED_STEPS ?= 40
AUGMENTED = $(TRAIN) mnms2-sa --config compact --steps $(AUGMENTED_STEPS) --learning-rate 1.5e-3 --seed 1 \
	--start runs/mnms2-sa-0b/$(AT)
EVERY_GROUP = field-of-view,noise,resolution,contrast,intensity,artefacts
AUGMENTED_NOTE = All go on from mnms2-sa-0b of the Makefile, which learned with the augmentation of \
commit eb1440e: every group but fields of view was in it, none stronger than strong is here. So this \
tells what more of a group brings, not what it brings to a network that never met it. What differs \
between mild and its other seed is the chance of a training.

augmentation: setup ## what each group of augmentation brings where images shift: tables, a picture
	$(BIN)/cmrseg preprocess mnms2-sa $(ACDC) cache/acdc-sa --source acdc
	$(AUGMENTED) cache/acdc-sa runs/aug-mild --grey none
	$(AUGMENTED) cache/acdc-sa runs/aug-mild-again --grey none --seed 2
	$(AUGMENTED) cache/acdc-sa runs/aug-all --grey $(EVERY_GROUP)
	$(AUGMENTED) cache/mnms2-sa runs/aug-drawn --grey none
	@for group in noise contrast resolution artefacts intensity field-of-view; do \
		$(AUGMENTED) cache/acdc-sa runs/aug-$$group --grey $$group || exit 1; done
	@for run in mild mild-again noise contrast intensity resolution artefacts field-of-view all drawn; do \
		$(BIN)/cmrseg pack mnms2 out/augmentation/$$run runs/aug-$$run/$(AT) || exit 1; done
	$(BIN)/cmrseg pack mnms2 out/augmentation/start runs/mnms2-sa-0b/$(AT)
	rm -rf out/augmentation/hearts
	$(BIN)/cmrseg synthesize mnms2 out/augmentation/hearts --patients 16 --seed 99 --style out
	$(BIN)/python -m cmrseg.reproduce.augmentation docs/results/augmentation --data $(ACDC) \
		--source acdc --drawn out/augmentation/hearts --work out/augmentation/work --precision fp32 \
		--note "$(AUGMENTED_NOTE)" --weights mild=out/augmentation/mild \
		$(foreach group,noise contrast intensity resolution artefacts field-of-view,\
			--weights "+ $(group)=out/augmentation/$(group)") \
		--weights "+ all groups=out/augmentation/all" \
		--weights "+ drawn hearts=out/augmentation/drawn" \
		--weights "mild, other seed=out/augmentation/mild-again" \
		--weights "before (the start)=out/augmentation/start"

cards: setup ## model cards and datasheets anew, where what they are made of has changed
	@$(BIN)/python -m cmrseg_lab.training.datasheets docs/datasheets weights

realism: setup ## synthetic against your real hearts: tables, curves, and a picture to look at
	$(BIN)/python -m cmrseg_lab.synthetic.realism --real-mnms2 $(ACDC) --real-emidec $(EMIDEC) \
		--patients 100 --out src/cmrseg/synthetic/REALISM.md --picture out/realism.png

samples: setup ## draw the committed sample cases anew
	$(BIN)/python tests/samples/make.py

clean: ## everything made here except weights
	rm -rf .venv out runs cache
