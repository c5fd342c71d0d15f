# `make` lists what there is. Everything runs in .venv, which make builds from pyproject.toml; no step needs root or a compiler.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test soak bench lint format deploy flash clean

help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile
	@echo "  .venv/bin/tillpane --help teaches the rest (a till for people, the Centrapay stand-in, the font tool)"

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 10) else "Tillpane needs Python 3.10 or newer; $(PYTHON) is %d.%d. Name a newer one: make PYTHON=python3.12" % v[:2])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "$(PYTHON) cannot make a virtual environment: install its venv module (Debian, Ubuntu: python3-venv)"; rm -rf $(VENV); exit 1; }
	@echo "Installing into $(VENV): a minute the first time ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(READY) ## the box, a till and a phone on a local page; TILL=escpos: another till; ONCE=1 OUT=dir: one sale without a browser
	$(BIN)/tillpane demo$(if $(TILL), --till "$(TILL)",)$(if $(ONCE), --once --out "$(or $(OUT),out)",)

test: $(READY) ## every test, on CPython and on MicroPython; ARGS='-k qr' to choose
	$(BIN)/pytest -n $(JOBS) --dist worksteal $(ARGS)

bench: $(READY) ## speed, heap and bytes beside the alternatives, into docs/benchmarks.md; ARGS='--sales 100' is quicker
	$(BIN)/tillpane bench $(ARGS)

soak: $(READY) ## thousands of sales in all weathers; N=5000, SEED= an earlier run's, BOXES=20 side by side
	$(BIN)/tillpane soak --sales $(or $(N),5000) $(if $(SEED),--seed "$(SEED)",) $(if $(BOXES),--boxes $(BOXES),)

lint: $(READY) ## style, types against the board's stubs, the import rule, both chips' compilers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python tools/checks/importrule.py
	$(BIN)/python tools/checks/boardtypes.py
	$(BIN)/python tools/checks/crosscompile.py

format: $(READY) ## rewrite the sources in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

deploy: $(READY) ## the program onto a board: PORT=/dev/ttyUSB0, SETTINGS=settings.json to send those too
	$(BIN)/tillpane deploy --port "$(or $(PORT),$(error Say where the board is: make deploy PORT=/dev/ttyUSB0))" $(if $(SETTINGS),--settings "$(SETTINGS)",) $(ARGS)

flash: $(READY) ## erase a board and write the pinned MicroPython: PORT=/dev/ttyUSB0, IMAGE=file to skip the download
	$(BIN)/tillpane flash --port "$(or $(PORT),$(error Say where the board is: make flash PORT=/dev/ttyUSB0))" $(if $(IMAGE),--image "$(IMAGE)",) $(ARGS)

clean: ## everything that make made
	rm -rf $(VENV) build out .pytest_cache .mypy_cache .ruff_cache .hypothesis tools/*.egg-info
