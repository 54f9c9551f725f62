# Everything runs in .venv, made here from requirements.lock; a second call installs nothing.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all check lock wheel tensorboard clean bench-gpu
.PHONY: table-main table-backbones table-margin table-penalty table-posthoc tables figures paper

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

setup: $(STAMP) ## make .venv and install the locked packages and mlseg itself

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"make: mlseg needs Python 3.11 to 3.13, {sys.executable} is {v[0]}.{v[1]}. Say make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $(STAMP)

demo: $(STAMP) ## write a synthetic ACDC, train on it, evaluate, show the results (a few minutes on a CPU)
	$(BIN)/mlseg-phantom root=data/raw/phantom
	$(BIN)/python train.py experiment=demo

test: $(STAMP) ## run the tests
	$(BIN)/python -m pytest -m "not slow"

test-all: $(STAMP) ## run all tests, the slow ones on real data too
	$(BIN)/python -m pytest -o faulthandler_timeout=7200

check: $(STAMP) ## formatting, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

lock: ## resolve the newest versions that pyproject.toml allows into requirements.lock (needs uv)
	uv pip compile pyproject.toml --extra dev --extra export --extra sweeps --universal --python-version 3.11 --upgrade \
		--no-header --no-annotate --no-emit-index-url --output-file requirements.lock

wheel: $(STAMP) ## build the wheel into dist/
	$(BIN)/python -m hatchling build -t wheel

# On the machine with the GPU: make bench-gpu ACDC=/path/to/ACDC; without it on a phantom, and without the long training.
ACDC ?=
BENCH_MODELS ?= unet transunet
BENCH_ARGS ?= --batches 16 32 64
BENCH_EPOCHS ?= 100
BENCH_RUN = outputs/bench-gpu/epochs-$(BENCH_EPOCHS)
BENCH = $(BIN)/python scripts/bench/train.py $(if $(ACDC),--data "$(ACDC)",--phantom) $(BENCH_ARGS)

bench-gpu: $(STAMP) ## training speed, memory and load of a GPU, then a complete ACDC training (ACDC=/path/to/ACDC)
	$(foreach model,$(BENCH_MODELS),$(foreach loss,ce mbls,$(BENCH) --model $(model) --loss $(loss) && ))true
	$(if $(ACDC),bash -c 'time $(BIN)/python train.py loss=mbls loss.margin=5 "data.root=$(ACDC)" data.split=random trainer.max_epochs=$(BENCH_EPOCHS) run_dir=$(BENCH_RUN)')

# How the runs of the tables are trained, see configs/profile: paper (the authors' settings) or quick (phantoms, minutes).
PROFILE ?= paper
# DATA="acdc brats" trains on these data sets only; SEEDS="1" takes other seeds; ARGS="data.split=random" goes to every run.
TABLES = $(BIN)/mlseg-tables profile=$(PROFILE) "data=$(strip $(DATA))" "seeds=$(strip $(SEEDS))"

table-main: $(STAMP) ## the losses on each data set: trains what is missing, writes tables/ and figures/
	$(TABLES) main $(ARGS)

table-backbones: $(STAMP) ## the networks with cross-entropy and with MbLS
	$(TABLES) backbones $(ARGS)

table-margin: $(STAMP) ## the margin of MbLS from 0 to 20
	$(TABLES) margin $(ARGS)

table-penalty: $(STAMP) ## linear against quadratic penalty
	$(TABLES) penalty $(ARGS)

table-posthoc: $(STAMP) ## a temperature after training beside losses that calibrate
	$(TABLES) posthoc $(ARGS)

tables: $(STAMP) ## every table, ours beside theirs, with its figures (PROFILE=quick takes minutes, DATA="acdc" one data set)
	$(TABLES) $(ARGS)

figures: $(STAMP) ## the figures of every table alone
	$(TABLES) write=figures $(ARGS)

paper: tables ## the same as tables

tensorboard: $(STAMP) ## open the curves of all runs at http://localhost:6006
	$(BIN)/tensorboard --logdir $(or $(MLSEG_OUTPUTS),outputs)

clean: ## remove caches of tools (runs, data and .venv stay)
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build
