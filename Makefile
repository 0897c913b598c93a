# What people and CI do with a checkout. `make` alone lists it. Needs Python 3.11 or newer, and make.

PYTHON ?= python3
BIN := .venv/bin
VENV_STAMP := .venv/.made
# What runs the platform, and what else its tests and checks need: made in either order.
RUN_STAMP := .venv/.run
DEV_STAMP := .venv/.dev
AUDIT_STAMP := .venv/.audit
DOCS_STAMP := .venv/.docs

# `make run PORT=9000`; a setting in .env or TENANTRY_PORT does as well.
ifdef PORT
export TENANTRY_PORT := $(PORT)
endif

.DEFAULT_GOAL := help
.PHONY: help setup run test test-pythons soak history lint bench-dispatch bench-serve bench-density bench-cold bench-neighbour \
	bench-flood bench-databases bench-migrate bench-provision bench-signup bench-move bench-fleet bench-catalog bench-jobs bench-adopt bench-extensions bench-ask bench-cli bench-page bench-fresh bench-search bench-weight bench-console bench-smoke audit sbom reload reference lock system clean

help: ## List what there is.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(DEV_STAMP) ## Install everything into .venv, exactly as locked.
	@:

# A .venv without a working pip is incomplete: python3-venv was missing, or Ctrl-C stopped it.
# It is made again, and nothing is left if that fails.
$(VENV_STAMP):
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
		$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
			echo "Tenantry needs Python 3.11 or newer; name it: make PYTHON=python3.12" >&2; \
			exit 1; }; \
		test ! -e .venv || echo ".venv is not complete; it is made again."; \
		echo "Making the virtual environment .venv ..."; \
		$(PYTHON) -m venv --clear .venv || { \
			rm -rf .venv; \
			echo "Making .venv failed. On Debian and Ubuntu: apt install python3-venv." \
				"Then run make again." >&2; \
			exit 1; }; }
	@touch $@

# $(call install,FILES) installs what the lock files name, and prints each package that is fetched:
# a minute of silence looks like a failure. The pipe hides pip's exit code; the file tells it.
PIP = $(BIN)/python -m pip install --disable-pip-version-check
define install
	@echo "Installing what $(strip $(1)) names ..."
	@rm -f .venv/.installed; \
		{ $(PIP) --require-hashes $(foreach file,$(1),-r $(file)) && touch .venv/.installed; } | \
		sed -un 's/^Collecting \([^ ]*\).*/  \1/p'; \
		test -e .venv/.installed
endef

$(RUN_STAMP): requirements/run.txt requirements/build.txt pyproject.toml $(VENV_STAMP)
	$(call install,requirements/run.txt requirements/build.txt)
	@echo "Installing Tenantry itself ..."
	@$(PIP) --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(DEV_STAMP): requirements/dev.txt $(RUN_STAMP)
	$(call install,requirements/dev.txt)
	@touch $@

# exec: Ctrl-C then reaches no shell between make and the server, which ends without complaint.
run: $(RUN_STAMP) ## Serve it with demonstration sites; PORT=8000 is the default.
	@$(BIN)/tenantry init --demo --no-link
	@exec $(BIN)/tenantry serve

test: setup ## Run all tests; ARGS="-k door" and the like are handed on.
	@$(BIN)/python tests/run.py $(ARGS)

# Debian systems with another Python, made by `.ci/debian SUITE`, are looked for in $SYSTEMS.
test-pythons: setup ## Start, change, reload and stop a server on every other supported Python of the machine.
	@bash .ci/pythons

SECONDS ?= 600

soak: setup ## Ask, change, break and reload a small pool for a long time; SECONDS=600 is the default.
	@$(BIN)/python -m pytest --timeout=0 --soak-seconds=$(SECONDS) tests/live/test_soak.py $(ARGS)

SEED ?= 1

screenshots: setup ## Make a picture of every page in build/screenshots: wide and narrow, light and dark.
	@mkdir -p build/screenshots
	@SCREENSHOTS=$(CURDIR)/build/screenshots $(BIN)/python -m pytest -n 0 \
		--timeout=0 tests/live/browser/test_every_page.py tests/live/browser/test_pages.py $(ARGS)

history: setup ## Write, read, kill, restart, clone and restore, and check that all is there; SECONDS=600, SEED=1.
	@$(BIN)/python -m pytest --history-seconds=$(SECONDS) --history-seed=$(SEED) \
		tests/live/history $(ARGS)

lint: setup ## Check style, types and import directions.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy .
	@$(BIN)/lint-imports

bench-dispatch: setup ## Measure dispatching against its peers.
	@$(BIN)/python bench/dispatch.py $(ARGS)

bench-serve: setup ## Measure the whole server against its peers.
	@$(BIN)/python bench/serve.py $(ARGS)

bench-density: setup ## Measure what a live tenant weighs; N=10000 tenants.
	@$(BIN)/python bench/density.py $(ARGS)

bench-cold: setup ## Measure a tenant's first request against a later one.
	@$(BIN)/python bench/cold.py $(ARGS)

bench-neighbour: setup ## Measure what a site's visitors notice of its neighbours.
	@$(BIN)/python bench/neighbour.py $(ARGS)

bench-databases: setup ## Measure what it costs that tenants share a server's connections.
	@$(BIN)/python bench/databases.py $(ARGS)

bench-flood: setup ## Measure what random hosts cost; N=50000 of each kind.
	@$(BIN)/python bench/flood.py $(ARGS)

bench-migrate: setup ## Measure a run of migrations over N=1000 tenants of each kind.
	@$(BIN)/python bench/migrate.py $(ARGS)

bench-provision: setup ## Measure how long a new site takes, beside replaying all migrations.
	@$(BIN)/python bench/provision.py $(ARGS)

bench-fleet: setup ## Measure whether two nodes obey a command when it returns, and its price.
	@$(BIN)/python bench/fleet.py $(ARGS)

bench-catalog: setup ## Measure a catalog of CATALOG_TENANTS=20000 beside one of 1,000.
	@$(BIN)/python bench/catalog.py $(ARGS)

bench-signup: setup ## Measure a sign-up, and what another site notices of N=200 of them.
	@$(BIN)/python bench/signup.py $(ARGS)

.PHONY: bench-spectators screenshots
bench-spectators: setup ## Measure what a site's visitors notice of PAGES=50 open pages of jobs.
	@$(BIN)/python bench/spectators.py $(ARGS)

bench-move: setup ## Measure how long nobody can write while a site of N=100000 rows is moved.
	@$(BIN)/python bench/move.py $(ARGS)

bench-ask: setup ## Measure what a proxy's question about a domain costs, with N=100000 domains.
	@$(BIN)/python bench/ask.py $(ARGS)

bench-adopt: setup ## Measure what an app that knows of no tenants weighs, as flyweight and full.
	@$(BIN)/python bench/adopt.py $(ARGS)

bench-extensions: setup ## Count the extensions of Flask that work, as flyweights and full instances.
	@$(BIN)/python bench/extensions.py $(ARGS)

bench-jobs: setup ## Measure how fast, soon and fair jobs start, and whether a killed worker loses one.
	@$(BIN)/python bench/jobs.py $(ARGS)

bench-cli: setup ## Measure how long a short command takes, beside its unavoidable imports.
	@$(BIN)/python bench/cli.py $(ARGS)

bench-page: setup ## Measure a page from memory beside the same page rendered, and beside nginx.
	@$(BIN)/python bench/page.py $(ARGS)

bench-fresh: setup ## Look for pages that are older than an acknowledged write.
	@$(BIN)/python bench/fresh.py $(ARGS)

bench-search: setup ## Measure a search beside a post's page, on both kinds of databases.
	@$(BIN)/python bench/search.py $(ARGS)

bench-weight: setup ## Measure what a site's home page weighs, and how soon Chromium shows it.
	@$(BIN)/python bench/weight.py $(ARGS)

bench-console: setup ## Measure what the console costs with N=100000 sites, beside a hundred.
	@$(BIN)/python bench/console.py $(ARGS)

bench-smoke: setup ## Run every benchmark at its smallest size: does it still run?
	@$(BIN)/python bench/smoke.py $(ARGS)

$(AUDIT_STAMP): requirements/audit.txt $(DEV_STAMP)
	$(call install,requirements/audit.txt)
	@touch $@

# --strict: a package that could not be looked up is no good news.
audit: $(AUDIT_STAMP) ## Ask the Python advisories whether a locked library has a known vulnerability.
	@$(BIN)/pip-audit --strict --require-hashes --disable-pip -r requirements/run.txt

sbom: $(AUDIT_STAMP) ## Write the software bill of materials (CycloneDX) to dist/tenantry.cdx.json.
	@mkdir -p dist
	@$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml -o dist/tenantry.cdx.json \
		requirements/run.txt
	@echo "Wrote dist/tenantry.cdx.json"

$(DOCS_STAMP): requirements/docs.txt $(VENV_STAMP)
	$(call install,requirements/docs.txt)
	@touch $@

# --strict: a broken link or anchor fails.
.PHONY: docs
docs: $(DOCS_STAMP) ## Build the documentation as a site in build/site.
	@$(BIN)/zensical build --clean --strict

reload: setup ## Let the running server take new code, if the new code works.
	@$(BIN)/tenantry reload

reference: setup ## Build docs/reference.md from the docstrings, and docs/api-reference.md from the API.
	@$(BIN)/python docs/make_reference.py
	@$(BIN)/python -m docs.make_api_reference

UV ?= uv
COMPILE = $(UV) pip compile --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate -q
# What a checkout runs: the bundled apps, on either kind of database.
EXTRAS = --extra site --extra postgresql

lock: ## Lock the dependencies anew, with uv.
	@command -v $(UV) >/dev/null || { echo "Install uv first: pip install uv" >&2; exit 1; }
	@$(COMPILE) pyproject.toml $(EXTRAS) --group dev -o requirements/dev.txt
	@$(COMPILE) pyproject.toml $(EXTRAS) -c requirements/dev.txt -o requirements/run.txt
	@$(COMPILE) --group build -c requirements/dev.txt -o requirements/build.txt
	@$(COMPILE) --group audit -c requirements/dev.txt -o requirements/audit.txt
	@$(COMPILE) --group docs -c requirements/dev.txt -o requirements/docs.txt

SUDO = $(shell test "$$(id -u)" = 0 || echo sudo)

system: ## Install what only browser, proxy and pooler tests and benchmarks need (Debian, Ubuntu).
	@$(SUDO) apt-get update -qq
	@$(SUDO) apt-get install -y -qq --no-install-recommends chromium nginx caddy haproxy \
		pebble pgbouncer wrk

clean: ## Remove what can be made again; never var/, which holds the sites.
	@rm -rf .venv .venv-* build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -not -path './var/*' -prune -exec rm -rf {} +
