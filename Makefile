# Everything a maintainer calls. `make help` lists it; the work is done by
# deploy/setup/*.sh and by the tools configured in pyproject.toml.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
# Options for pytest (`make test ARGS="-k handshake"`) and the resolver.
ARGS ?=
# Options for `spalier demo`; PORT is the first of its three ports.
DEMO_ARGS ?=
PORT ?=
# Processes that run the tests side by side: three to two cores, for some only wait.
WORKERS ?= 3
# A folder of wheels to install from when there is no network.
WHEELS ?=
export WHEELS

.PHONY: help setup setup-dev environment-dev demo demo-reset check format test soak bench interop lock clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Make .venv with what a node needs; leaves .venv/bin/spalier
	@deploy/setup/environment.sh runtime

setup-dev: environment-dev ## As setup, with tests, tools, a Chromium, nginx and Caddy
	@deploy/setup/browser.sh
	@deploy/setup/programs.sh

environment-dev:
	@deploy/setup/environment.sh dev

demo: ## Three clusters on this machine (PORT=8200, DEMO_ARGS=…); Ctrl-C ends them
	@SETUP_STEPS=5 deploy/setup/environment.sh runtime
	@exec $(BIN)/spalier demo $(if $(PORT),--port $(PORT)) $(DEMO_ARGS)

demo-reset: ## Forget the demo's nodes and data (stop it first)
	@rm -rf .demo

check: environment-dev ## Lint, format, types, architecture, repository rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m deploy.setup.check_repository

format: environment-dev ## Format and mend what can be mended safely
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

test: setup-dev ## All tests that must pass; prints seconds by folder
	@WORKERS=$(WORKERS) deploy/setup/tests.sh $(ARGS)

soak: setup-dev ## The same tests with many more examples, and the long ones
	@SPALIER_EXCHANGE_SEEDS=500 SPALIER_KEY_SEEDS=200 SPALIER_SIMULATE_RUNS=150 SPALIER_SIMULATE_STEPS=2000 SPALIER_SIMULATE_MUTANTS=99 SPALIER_SIMULATE_HUNTS=10 SPALIER_CRASHES=1000 \
		SPALIER_TORN_LOGS=5000 SPALIER_SHARED_CHANGES=2000 SPALIER_FUZZ_SECONDS=$${SPALIER_FUZZ_SECONDS:-600} \
		$(BIN)/pytest -q tests -m "" --timeout 7200 --hypothesis-profile soak $(ARGS)

bench: environment-dev ## What a node stores per second, beside its bare steps (ARGS=--quick)
	@$(BIN)/python -m bench $(ARGS)

interop: environment-dev ## A real Fedify against a real node; needs npm and, once, a network
	@tests/interop/fedify/install.sh
	@$(BIN)/pytest -q tests/interop $(ARGS)

lock: environment-dev ## Write the lock files (ARGS=--upgrade for new versions)
	@deploy/setup/lock.sh $(ARGS)

clean: ## Remove the environment and everything generated, except .demo
	@rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache \
		.hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
