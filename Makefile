# `make` alone lists what there is. Everything runs in .venv, made on first use.

PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SOURCES := sessions_plus demo_project tests benchmarks docs manage.py
PRESENT = $(wildcard $(SOURCES))
COLLECT := --all --no-obsolete --no-wrap
NO_TEXTS = $(VENV) $(filter-out demo_project templates,$(wildcard *))

.DEFAULT_GOAL := help
.PHONY: help demo demo-code demo-cluster demo-tls test quick services check lint format types migrations deploy-check package packages \
	messages docs docs-serve matrix browser django-suite integrations servers foreign-suites bench clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1|\2/' \
		| awk -F'|' '{ printf "make %-14s %s\n", $$1, $$2 }'

$(STAMP): requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or later is needed: make PYTHON=python3.12 ..."; exit 1; }
	@test -x $(BIN)/python || { echo "Making a Python environment in $(VENV) …"; $(PYTHON) -m venv $(VENV); }
	@echo "Installing what requirements.txt lists into $(VENV): once, a minute or two …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	@touch $@

demo: $(STAMP)  ## Set up and serve the demo shop (PORT=8000)
	@echo "Making the tables, the people and some weeks of their sign-ins …"
	@$(BIN)/python manage.py migrate --verbosity 0
	@$(BIN)/python manage.py seed_demo --address 127.0.0.1:$(PORT)
	$(BIN)/python manage.py runserver 127.0.0.1:$(PORT)

demo-code: $(STAMP)  ## Tell a code for signing in to the demo shop as noor
	@$(BIN)/python manage.py demo_code

demo-cluster: $(STAMP)  ## Serve the shop from two processes, with PostgreSQL and Redis
	$(BIN)/python -m demo_project.cluster $(PORT)

demo-tls: PORT := 8443
demo-tls: export DJANGO_SETTINGS_MODULE := demo_project.settings_tls
demo-tls: $(STAMP)  ## Serve the demo shop over TLS, with sessions bound to their device (PORT=8443)
	@$(BIN)/python manage.py migrate --verbosity 0
	@$(BIN)/python manage.py seed_demo --address localhost:$(PORT)
	$(BIN)/python -m demo_project.over_tls $(PORT)

test: $(STAMP)  ## Run every test, on SQLite and on each database server that is installed
	$(BIN)/python -m tests.support.run

quick: $(STAMP)  ## Run the tests that need no server, on SQLite
	$(BIN)/python -m pytest -q -n 2 -m "not browser and not packaging and not services"

services:  ## Install the servers and tools that the tests use (apt, as root)
	@command -v apt-get >/dev/null || { echo "make services needs apt-get."; exit 1; }
	@test "$$(id -u)" = 0 || { echo "make services needs root: sudo make services"; exit 1; }
	apt-get update -qq </dev/null
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
		redis-server redis-sentinel redis-tools memcached postgresql pgbouncer mariadb-server \
		oathtool chromium gettext wrk </dev/null

check: lint types migrations deploy-check test  ## Everything that a change must pass

lint: $(STAMP)  ## Look for mistakes and unformatted code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP)  ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(STAMP)  ## Check the types
	$(BIN)/mypy $(PRESENT)

migrations: $(STAMP)  ## Check that every change of a model has its migration
	DATABASE_URL=sqlite://:memory: $(BIN)/python -W error manage.py makemigrations --check --dry-run

deploy-check: $(STAMP)  ## Check the demo's production settings
	SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(50))') \
	ALLOWED_HOSTS=shop.example.com DATABASE_URL=sqlite://:memory: \
	DJANGO_SETTINGS_MODULE=demo_project.settings_production \
		$(BIN)/python -W error manage.py check --deploy --fail-level WARNING

messages: $(STAMP)  ## Collect the texts to translate, and compile the translations (needs gettext)
	cd sessions_plus && $(CURDIR)/$(BIN)/django-admin makemessages $(COLLECT) --add-location file
	$(BIN)/python manage.py makemessages $(COLLECT) --no-location $(NO_TEXTS:%=--ignore=%)
	$(BIN)/python manage.py compilemessages --ignore=$(VENV) --ignore=.cache --ignore=build

docs: $(STAMP)  ## Build the site of the documentation into build/docs; a dead link is an error
	$(BIN)/sphinx-build --fail-on-warning --fresh-env -q -b html docs build/docs

docs-serve: docs  ## Serve the site of the documentation (PORT=8000)
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory build/docs $(PORT)

package: $(STAMP)  ## Build the distribution into dist/
	rm -rf build dist
	$(BIN)/python -m build --no-isolation
	rm -rf build

packages: $(STAMP)  ## Check the distribution, and install each extra on each supported Python
	$(BIN)/python -m tests.support.packages

matrix: $(STAMP)  ## Run the quick tests on each Python and Django that we support
	$(BIN)/python -m tests.support.matrix

browser: $(STAMP)  ## Run the browser tests
	$(BIN)/python -m pytest -m browser

django-suite: $(STAMP)  ## Run Django's own tests with our engines and middleware
	$(BIN)/python -m tests.django_suite

integrations: $(STAMP)  ## Run the tests against the real packages of others (ARGS="-k otp")
	$(BIN)/python -m tests.integrations $(ARGS)

servers: $(STAMP)  ## Start each server with two processes, and print which it runs with (ARGS=uvicorn)
	$(BIN)/python -m tests.servers $(ARGS)

foreign-suites: $(STAMP)  ## Run released tests of others without us and with us (ARGS=allauth)
	$(BIN)/python -m tests.foreign_suites $(ARGS)

bench: $(STAMP)  ## Measure requests beside Django's own engines
	$(BIN)/python -m benchmarks

clean:  ## Remove the environment, caches and built files
	rm -rf $(VENV) .cache build dist ./*.egg-info .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
