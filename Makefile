# make demo: see a car learn to lap.  make test: everything CI checks.  Both build .venv first; nothing else is needed
# but Python 3.11 or newer and make.

PYTHON = $(shell for p in python3.11 python3 python3.12 python3.13; do \
  $$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
RUN = .venv/bin/python -m
INSTALLED = .venv/installed

LOWEST = build/lowest

# Tests start the program hundreds of times: without its bytecode each start compiles it anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo docs pictures outputs test test-fast quick-tests test-lowest lint types clean

help: ## Say what there is to make
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 20

demo: $(INSTALLED) ## Train two rewards on reinvent_2018, race both cars, and say what physics allows
	rm -rf runs/demo
	.venv/bin/racer demo

pictures: $(INSTALLED) ## Draw the pictures of the documentation again, with the product as it is
	set -e; for script in docs/pictures/*.py; do .venv/bin/python $$script; done

outputs: $(INSTALLED) ## Write what commands print now into the pages that show it (minutes)
	.venv/bin/python docs/outputs.py

test: lint types ## Lint, types, and the tests with warnings as errors
	OMP_NUM_THREADS=1 $(RUN) pytest -n auto --maxprocesses 4 --dist loadgroup

test-fast: $(INSTALLED) ## Lint, types, and all tests but the slow ones, side by side
	@$(MAKE) --jobs 3 lint types quick-tests

quick-tests: $(INSTALLED)
	OMP_NUM_THREADS=1 $(RUN) pytest -n auto --maxprocesses 4 --dist loadgroup -m "not slow"

# PyTorch alone is the tested version: its lowest one is gigabytes more to fetch. What lowest versions call and newer
# packages below them deprecate (matplotlib 3.9 and pyparsing) is no fault of theirs.
test-lowest: ## The tests with the lowest versions that pyproject.toml allows, in a folder of its own
	"$(PYTHON)" -m venv $(LOWEST)
	grep '^torch==' constraints.txt > $(LOWEST)/torch.txt
	$(LOWEST)/bin/pip install -qq uv -r $(LOWEST)/torch.txt
	VIRTUAL_ENV=$(LOWEST) $(LOWEST)/bin/uv pip install -q --resolution lowest-direct --override $(LOWEST)/torch.txt \
	  '.[train,report,test]' 'pytest-timeout>=2.3' 'pytest-xdist>=3.6'
	OMP_NUM_THREADS=1 $(LOWEST)/bin/python -m pytest -q -n auto --maxprocesses 4 -W ignore::DeprecationWarning \
	  tests/track tests/sim tests/logs tests/checker tests/analysis

lint: $(INSTALLED) ## Look for mistakes and untidy layout
	$(RUN) ruff check --quiet .
	$(RUN) ruff format --check --quiet .

types: $(INSTALLED) ## Check the types of src
	$(RUN) mypy

docs: $(INSTALLED) ## The documentation site, with its notebooks executed, into build/site
	RACER_DOCS_EXECUTE=1 NO_MKDOCS_2_WARNING=1 $(RUN) mkdocs build --quiet -f website/mkdocs.yml
	@echo "look at it: $(RUN) http.server -d build/site"

clean: ## Remove .venv and everything that can be built again; runs/ stays
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The file in .venv says where it was built: in a folder that was moved or copied it is built again.
ifneq ($(shell cat $(INSTALLED) 2>/dev/null),$(CURDIR))
.PHONY: $(INSTALLED)
endif

# pip reads the pins for its own build environment from PIP_CONSTRAINT, newer ones from PIP_BUILD_CONSTRAINT: both are
# split at spaces, so the path is relative.
$(INSTALLED): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "racer needs Python 3.11 or newer with venv: install it (Debian: apt-get install" \
	  "python3 python3-venv), or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "building .venv with $(PYTHON) (minutes the first time: PyTorch is large)"
	@"$(PYTHON)" -m venv .venv
	@PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 \
	  $(RUN) pip install -qq --editable '.[train,export,line,video,report,tune,dev]'
	@printf '%s' "$(CURDIR)" > $@
