# Each target sets up what it needs; on a fresh machine `make run` and `make test` are enough.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
SETUP := ./scripts/setup.sh
BIN := .venv/bin
ARGS ?=
PEERS ?= 0

.PHONY: help run demo test test-python test-front test-browser check fmt bench torture clients screenshots lock clean

help: ## Say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: ## Start Dragoman on http://127.0.0.1:8080
	@$(SETUP) run
	@exec $(BIN)/dragoman serve $(ARGS)

demo: ## Start it with a simulated upstream and live traffic; needs no key
	@$(SETUP) run
	@exec $(BIN)/dragoman demo $(ARGS)

test: ## Run all tests: Python, front end, browser
	@$(SETUP) dev
	@$(SETUP) web
	@$(SETUP) browser
	@$(MAKE) --no-print-directory test-front
	@$(MAKE) --no-print-directory test-python

# Tests of pure code run on two cores at once; those that start whole processes, one after the other.
PURE := tests/dialects tests/records tests/wire
test-python:
	@$(SETUP) dev
ifeq ($(strip $(ARGS)),)
	@failed=0; set -x; \
	$(BIN)/pytest -n 2 $(PURE) || failed=1; \
	$(BIN)/pytest $(PURE:%=--ignore=%) || failed=1; \
	exit $$failed
else
	$(BIN)/pytest $(ARGS)
endif

test-browser: ## Run the browser tests alone
	@$(SETUP) dev
	@$(SETUP) web
	@$(SETUP) browser
	$(BIN)/pytest tests/browser $(ARGS)

test-front: ## Run the front end's tests alone
	@$(SETUP) front
	@cd frontend && PATH="$$PWD/../.tools/bin:$$PATH" npm run --silent test

check: ## Lint, types, floors, docs; under two minutes
	@$(SETUP) dev
	$(BIN)/ruff check src tests bench scripts
	$(BIN)/ruff format --check src tests bench scripts
	$(BIN)/basedpyright
	$(BIN)/pytest -q tests/test_floors.py tests/test_docs.py
	cd frontend && PATH="$$PWD/../.tools/bin:$$PATH" npm run --silent lint && PATH="$$PWD/../.tools/bin:$$PATH" npm run --silent typecheck

fmt: ## Bring all code into one form
	@$(SETUP) dev
	$(BIN)/ruff check --fix --exit-zero src tests bench scripts
	$(BIN)/ruff format src tests bench scripts
	cd frontend && PATH="$$PWD/../.tools/bin:$$PATH" npm run --silent format

bench: ## Measure against nginx (PEERS=1 adds FastAPI with httpx, and LiteLLM)
	@$(SETUP) dev
	@$(SETUP) bench
	$(BIN)/python -m bench $(if $(filter 1,$(PEERS)),--peers) $(ARGS)

torture: ## Kill gateway and keeper at random moments, 50 times, and count every byte
	@$(SETUP) dev
	DRAGOMAN_TORTURE_ROUNDS=$${DRAGOMAN_TORTURE_ROUNDS:-50} DRAGOMAN_TORTURE_STOPPED_S=$${DRAGOMAN_TORTURE_STOPPED_S:-60} $(BIN)/pytest tests/torture -s --timeout 3600 $(ARGS)

clients: ## Drive Claude Code and Codex through routes; installs both to .tools/clients
	@$(SETUP) dev
	@$(SETUP) clients
	DRAGOMAN_CLIENTS=$${DRAGOMAN_CLIENTS:-.tools/clients} $(BIN)/pytest tests/clients $(ARGS)

screenshots: ## Take the pictures of docs/screenshots anew
	@$(SETUP) dev
	@$(SETUP) web
	@$(SETUP) browser
	$(BIN)/python scripts/screenshots.py

lock: ## Resolve the Python packages anew
	@$(SETUP) lock

clean: ## Remove all that was set up or built
	rm -rf .venv .tools .venv-peers .stamps dist bench/build bench/results frontend/node_modules src/dragoman/web
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -rf .pytest_cache .ruff_cache .hypothesis test-results
