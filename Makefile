# make serve   the server with the model base on 127.0.0.1:9000; with LOCK=docker/requirements.lock without PyTorch
# make test    the default tests; make test-slow the long ones
# make test-containers  build, start and try the images, where a container engine can run
# make lint    style, types, import floors, warnings in the kernels
# make lint-compilers   warnings in the kernels, by every g++ and clang++ on the PATH, for every processor they are tried for
# make bench   our pipeline beside WhisperX's own, in one run
# make train-demo  train the demo model from scratch: TRAIN_HOURS of two cores, about as long again for its speech
# make train-heads  train the heads for word times of base and tiny.en, which must be installed
# make docs    write docs/settings.md, config.yaml and .env.example from the settings
# make lock    resolve the dependencies again, for here and for the image (docker/)
.PHONY: serve test test-slow test-containers lint lint-compilers bench train-demo train-heads docs lock clean

UV_VERSION := 0.13.8
SUITABLE := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c '$(SUITABLE)' 2>/dev/null && { command -v $$p; break; }; done)
BIN := .venv/bin
UV := VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/uv --no-config
export PYTHONDONTWRITEBYTECODE =

serve: .venv/runtime .venv/model
	$(BIN)/whisperx-npu serve

test: .venv/dev
	$(BIN)/pytest --numprocesses 2 --dist worksteal

test-slow: .venv/dev
	$(BIN)/pytest -m slow

test-containers: .venv/dev
	$(BIN)/pytest -m containers tests/containers

LINT_KERNELS := $(BIN)/python -m kernels.host.lint tests/kernels/host/probes.cc tests/kernels/array/scale.cc
lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/hadolint docker/Dockerfile docker/kernels.Dockerfile
	$(BIN)/shellcheck .ci/run docker/with-ca tests/containers/engine
	$(LINT_KERNELS)

lint-compilers: .venv/dev
	$(LINT_KERNELS) --all

bench: .venv/dev
	$(BIN)/python -m bench

AUDIO ?= ../shared/audio
TRAIN_HOURS ?= 1.55
TRAIN_WORK ?= $(HOME)/.cache/whisperx-npu-train
TRAIN = OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m training.train --audio $(AUDIO) --work $(TRAIN_WORK) --hours $(TRAIN_HOURS)
train-demo: .venv/dev
	@command -v espeak-ng >/dev/null && command -v flite >/dev/null || { echo "espeak-ng and flite are needed (Debian: apt install espeak-ng flite)"; exit 1; }
	@test -f $(AUDIO)/MANIFEST.tsv || { echo "The recordings are needed: make train-demo AUDIO=/folder/with/MANIFEST.tsv"; exit 1; }
	$(BIN)/python -m training.corpus --audio $(AUDIO) --work $(TRAIN_WORK) --shards 22
	$(TRAIN) --until 0.35
	$(BIN)/python -m training.splice --work $(TRAIN_WORK)
	$(TRAIN)
	$(BIN)/python -m training.export --work $(TRAIN_WORK) --out models/demo
	$(BIN)/python -m training.align_quality --audio $(AUDIO) --model models/demo --write models/demo/metrics.json
	$(BIN)/python -m training.evaluate --audio $(AUDIO) --model models/demo --write models/demo/metrics.json
	$(BIN)/python -m training.card --model models/demo

train-heads: .venv/dev
	@command -v espeak-ng >/dev/null && command -v flite >/dev/null || { echo "espeak-ng and flite are needed (Debian: apt install espeak-ng flite)"; exit 1; }
	@test -f $(AUDIO)/MANIFEST.tsv || { echo "The recordings are needed: make train-heads AUDIO=/folder/with/MANIFEST.tsv"; exit 1; }
	$(BIN)/python -m training.heads base --audio $(AUDIO) --work $(TRAIN_WORK)/heads
	$(BIN)/python -m training.heads tiny.en --audio $(AUDIO) --work $(TRAIN_WORK)/heads

docs: .venv/dev
	$(BIN)/python -m docs.generate

.venv/bin/uv:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 with venv is needed (Debian: apt install python3-venv); or: make PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

LOCK ?= requirements.lock
.venv/runtime: $(LOCK) pyproject.toml | .venv/bin/uv
	$(UV) pip sync --require-hashes --compile-bytecode $(LOCK)
	$(UV) pip install --no-deps --no-build-isolation --editable .
	touch $@

# The default model. Where it cannot be had, the server says so, serves the demo, and goes on trying
.venv/model: | .venv/runtime
	@echo "Pulling the model base, 148 MB"
	@if $(BIN)/whisperx-npu models pull base; then touch $@; else echo "The server starts without the model base."; fi

.venv/dev: requirements-dev.lock pyproject.toml | .venv/bin/uv
	$(UV) pip sync --require-hashes --compile-bytecode requirements-dev.lock
	$(UV) pip install --no-deps --no-build-isolation --editable .
	touch .venv/runtime $@

COMPILE := pip compile pyproject.toml --override overrides.txt --universal --python-version 3.11 \
	--generate-hashes --extra build --no-emit-index-url --no-header --quiet
NO_TORCH := --excludes docker/excludes.txt --no-emit-package torch --no-emit-package torchaudio
SAME := --constraint requirements.lock
lock: .venv/bin/uv
	$(UV) $(COMPILE) --extra whisperx --output-file requirements.lock
	$(UV) $(COMPILE) --extra whisperx --extra dev $(SAME) --output-file requirements-dev.lock
	$(UV) $(COMPILE) $(SAME) --output-file docker/requirements.lock
	$(UV) $(COMPILE) --extra whisperx $(NO_TORCH) $(SAME) --output-file docker/requirements-whisperx.lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
