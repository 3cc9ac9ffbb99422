# Everything a developer or an operator of one machine needs. Works with macOS's make 3.81.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test run check test-browser fuzz soak bench format format-check lint types contracts audit licences sbom \
        constraints

PYTHON := .venv/bin/python
# Bytecode is kept wherever this runs: without it every process of the tests compiles every module anew.
unexport PYTHONDONTWRITEBYTECODE
# More processes than cores: half of the tests wait for others most of the time.
PYTEST = $(PYTHON) -m pytest -n $$($(PYTHON) -c "import os; print(min(4, os.cpu_count() + 2))") --dist loadfile

help: ## list these
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

demo: .venv/.ready ## the main job end to end, against a simulated Kommo and OpenAI
	@$(PYTHON) -m app.cli.main demo

test: .venv/.ready ## every test that needs no browser
	@$(PYTEST)

run: .venv/.ready ## the whole service on this machine; Ctrl-C stops it
	@$(PYTHON) -m app.cli.main up

check: format-check lint types contracts audit test ## format, lint, types, import contracts, tests: what CI runs

test-browser: .venv/.ready ## widget and console in a real Chromium
	@if ! ls tests/browser/test_*.py >/dev/null 2>&1; then echo "There is nothing to see in a browser yet."; exit 0; fi; \
	for name in chromium chromium-browser google-chrome; do \
	  if command -v $$name >/dev/null 2>&1; then exec $(PYTHON) -m pytest tests/browser; fi; \
	done; \
	echo "Chromium is missing. Debian: apt-get install chromium chromium-driver." >&2; \
	echo "Ubuntu: snap install chromium. macOS: brew install --cask chromium." >&2; \
	exit 1

fuzz: .venv/.ready ## hostile input to every route and parser, 15 minutes; FUZZ="--minutes 2 --only tokens" for less
	@$(PYTHON) -m tests.hostile.campaign $(FUZZ)

soak: .venv/.ready ## faults let loose on real processes, half an hour; SOAK="--faults 100 --only worker-kill" for less
	@$(PYTHON) -m tests.faults.soak $(SOAK)

bench: .venv/.ready .venv-bench/.ready ## the benchmarks: tables, and JSON in bench/results; BENCH="--quick door" for less
	@$(PYTHON) -m bench $(BENCH)

format: .venv/.ready ## rewrite the source in its one format
	@$(PYTHON) -m ruff check --fix-only --quiet .
	@$(PYTHON) -m ruff format .

format-check: .venv/.ready
	@$(PYTHON) -m ruff format --check .

lint: .venv/.ready ## ruff
	@$(PYTHON) -m ruff check .

types: .venv/.ready ## mypy --strict
	@$(PYTHON) -m mypy

contracts: .venv/.ready ## who may import whom
	@.venv/bin/lint-imports

audit: .venv/.ready ## known vulnerabilities of what is locked; AUDIT=--required where that must be known
	@$(PYTHON) -m supply.audit $(AUDIT)

licences: .venv/.ready .venv-bench/.ready ## write docs/licences.md anew
	@$(PYTHON) -m supply.licences

sbom: .venv/.ready ## the software bill of materials: build/sbom.json, CycloneDX
	@$(PYTHON) -m supply.sbom build/sbom.json

constraints: ## pin the dependencies of pyproject.toml anew, with hashes (needs uv)
	@command -v uv >/dev/null 2>&1 || { echo "uv is missing: see its documentation for how to install it." >&2; exit 1; }
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes \
	  --no-emit-package pip --no-emit-index-url --no-header --quiet --output-file constraints.txt
	uv pip compile pyproject.toml --extra sentry --constraint constraints.txt --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header --quiet --output-file deploy/constraints.txt
	uv pip compile bench/requirements.in --constraint constraints.txt --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header --quiet --output-file bench/constraints.txt

# The environment, made again only when what it is made from has changed. A candidate is run, not only looked up:
# version managers put names on PATH that cannot be executed. ensurepip is what Debian's python3-venv brings.
.venv/.ready: constraints.txt pyproject.toml
	@set -e; found=; \
	for candidate in python3.13 python3.12 python3.11 python3; do \
	  if $$candidate -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	    found=$$candidate; break; \
	  fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "No Python 3.11 or newer with venv was found (python3.13, python3.12, python3.11, python3)." >&2; \
	  echo "Debian and Ubuntu: apt-get install python3 python3-venv. macOS: brew install python." >&2; \
	  exit 1; \
	fi; \
	$(PYTHON) -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || { \
	  echo "Setting up .venv with $$found: about a minute, once."; rm -rf .venv; $$found -m venv .venv; }; \
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-input --no-deps --require-hashes -r constraints.txt; \
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-input --no-deps --no-build-isolation -e .; \
	touch $@

# What the benchmarks compare with, apart from the product's own environment.
.venv-bench/.ready: bench/constraints.txt | .venv/.ready
	@echo "Setting up .venv-bench: less than a minute, once."; rm -rf .venv-bench; $(PYTHON) -m venv .venv-bench
	@.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes \
	  -r bench/constraints.txt
	@touch $@
