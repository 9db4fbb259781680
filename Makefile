# otoloop: `make install` once, then `make test`, `make check`, `make demo`. Every target installs what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# exact versions, so that pip has nothing to resolve; no -q: a slow download should look like one
PIP := $(BIN)/python -m pip install --disable-pip-version-check
TORCH := $(shell sed -n 's/^torch==/torch==/p' constraints.txt)
# another index for torch alone, e.g. OTOLOOP_TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX := $(if $(OTOLOOP_TORCH_INDEX),--extra-index-url $(OTOLOOP_TORCH_INDEX))
WORKERS ?= 2

.PHONY: install test test-slow test-all check demo up down nightly docs templates clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "otoloop needs Python 3.11 or newer: make PYTHON=python3.11 install"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) $(TORCH_INDEX) -c constraints.txt "$(TORCH)"
	$(PIP) --no-deps -r constraints.txt
	$(PIP) --no-deps -e .
	$(BIN)/python -m pip check
	touch $@

test: install  ## the fast tests, about as many at once as there are cores
	$(BIN)/python -m pytest -n $(WORKERS)

test-slow: install  ## races, crashes, a real Prefect, a real browser
	$(BIN)/python -m pytest -n $(WORKERS) -m "(slow or flow or browser) and not long"

test-all: test-slow test

check: install  ## style, types, architecture, and files that must agree with each other
	$(BIN)/ruff check .
	$(BIN)/mypy --strict src
	$(BIN)/lint-imports
	$(BIN)/otoloop lock --check
	$(BIN)/python tools/templates.py --check

demo: install  ## the whole loop on simulated machines, in ./demo-site
	@if [ -t 0 ]; then $(BIN)/otoloop demo; else $(BIN)/otoloop demo --yes; fi

up: install  ## the demo's site, left running: pages, gateway, calendar, machines that send
	$(BIN)/otoloop demo --yes --stay --cycles 1

down: install
	cd demo-site && $(CURDIR)/$(BIN)/otoloop down

nightly: install  ## everything, in parts of at most 45 minutes; run it again to go on where it stopped
	$(BIN)/python tools/nightly.py

docs: install  ## write docs/reference from the code, check every link
	$(BIN)/python tools/docs.py

templates: install  ## copy the pipeline and the flows into the package, for `otoloop init`
	$(BIN)/python tools/templates.py

clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
