# Everything here runs in .venv, which is made when first needed. PYTHON chooses the interpreter, BENCH_ARGS and
# PYTEST_ARGS are handed on.

SHELL      := /bin/sh
VENV       := .venv
BIN        := $(VENV)/bin
PYTHON     := $(or $(PYTHON),$(shell for one in python3 python3.13 python3.12 python3.11 python3.10; do \
                $$one -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && { echo $$one; break; }; done))
BENCH_ARGS ?=
PYTEST_ARGS ?=
LAYERS     := unit functional integration
# What one process has compiled, the others read; thousands of them start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test bench bench-history docs lint faults soak clean

help: ## show this
	@echo "make <target>, with Python 3.10 or newer and nothing else:"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST)

demo: $(VENV)/.installed ## run a salt-master and a minion of their own for a minute and show the history that was kept
	@$(BIN)/python -m salt_eventsd.operate.demo --page .build/demo.html

test: $(VENV)/.installed-test ## run the unit, functional and integration tests but the slow ones; PYTEST_ARGS=... goes to pytest
	@failed=""; number=0; \
	for layer in $(LAYERS); do \
	  number=$$((number + 1)); \
	  echo; echo "==> $$number/$(words $(LAYERS)) $$layer tests"; \
	  beside="-n auto"; if [ $$layer = integration ]; then beside="-n 3"; fi; \
	  $(BIN)/python -m tests.support.attempts -m 'not slow' $$beside --dist loadfile $(PYTEST_ARGS) tests/$$layer || failed="$$failed $$layer"; \
	done; \
	if [ -n "$$failed" ]; then echo "==> failed:$$failed"; exit 1; fi

faults: $(VENV)/.installed-test ## run the tests that break things on purpose: full disks, killed servers, clocks set back
	@failed=""; \
	$(BIN)/python -m tests.support.attempts -m 'not alone' -n 2 --dist loadfile $(PYTEST_ARGS) tests/faults || test $$? = 5 || failed=yes; \
	$(BIN)/python -m tests.support.attempts -m alone $(PYTEST_ARGS) tests/faults || test $$? = 5 || failed=yes; \
	test -z "$$failed"

soak: $(VENV)/.installed-test ## ten minutes at bus speed: is all there, does nothing grow? SOAK_SECONDS=..., SOAK_DATABASE=...
	@$(BIN)/python -m benchmarks.soak

bench: $(VENV)/.installed-test ## measure; BENCH_ARGS=... chooses what (--compare: fail if it is worse than the baseline)
	@$(BIN)/python -m benchmarks $(BENCH_ARGS)

bench-history: $(VENV)/.installed-test ## fill a large history and time each question; BENCH_ROWS=..., BENCH_URL=...
	@$(BIN)/python -m benchmarks.history $(BENCH_ARGS)

lint: $(VENV)/.installed-lint ## check style, format and types, the formula's states among them
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/yamllint --strict eventsd examples grafana pillar.example FORMULA .yamllint .salt-lint
	find eventsd -name '*.sls' -exec $(BIN)/salt-lint {} +
	$(BIN)/towncrier build --draft --version next

docs: $(VENV)/.installed-docs ## make HTML of docs/ in .build/docs
	@$(BIN)/python -m sphinx --fresh-env --fail-on-warning --keep-going -q -b html docs .build/docs && echo "==> .build/docs/index.html"

clean: ## remove what make has made
	rm -rf $(VENV) .build .tox build dist ./*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Some systems ship Python without ensurepip; there a pip of the system's own can serve the new environment.
$(VENV)/.created:
	@test -n "$(PYTHON)" && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "No Python 3.10 or newer here. Install one, or say make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "==> making $(VENV) with $$($(PYTHON) --version)"
	@rm -rf $(VENV)
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then \
	  $(PYTHON) -m venv $(VENV); \
	else \
	  $(PYTHON) -m venv --without-pip $(VENV) && \
	    $(PYTHON) -m pip --python $(BIN)/python install --disable-pip-version-check pip; \
	fi && $(BIN)/python -m pip --version >/dev/null || { \
	  rm -rf $(VENV); \
	  echo "$(PYTHON) cannot make $(VENV): it needs its modules venv and ensurepip, or a pip of 22.3 or newer." \
	    "On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/.installed: EXTRAS :=
$(VENV)/.installed-test: EXTRAS := [test]
$(VENV)/.installed-lint: EXTRAS := [lint]
$(VENV)/.installed-docs: EXTRAS := [docs]

$(VENV)/.installed $(VENV)/.installed-test $(VENV)/.installed-lint $(VENV)/.installed-docs: setup.cfg pyproject.toml | $(VENV)/.created
	@echo "==> installing salt-eventsd$(EXTRAS) and what it needs into $(VENV); the first time that is some 80 packages" \
	  "and takes a few minutes"
	@$(BIN)/python -m pip --disable-pip-version-check --quiet install --editable '.$(EXTRAS)'
	@touch $@
