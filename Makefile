# Everything that can be done with the project. `make help` lists it.

PYTHON ?= python3.11
VENV := .venv
LOCAL_AWS_VENV := .venv-local-aws
MOTO_VENV := .venv-moto
# The versions of Airflow beside the one in .venv: MWAA's, and on another Python the one of the locks.
MWAA := tests/integration/versions/mwaa
MWAA_VERSIONS := $(patsubst $(MWAA)/essential-%.txt,%,$(wildcard $(MWAA)/essential-*.txt))
NEWEST := $(shell sed -n 's/^apache-airflow\[celery\]==//p' requirements-image.in)
LANGUAGE_SERVICE := build/language-service
AXE := build/axe
UV := $(VENV)/bin/uv
RUN := PYTHONPATH=include:plugins:. $(VENV)/bin/python
CODE := dags plugins include tests bench
USERS ?= 60
SEEDS ?= 100
STACK = $(if $(SUFFIX),--suffix $(SUFFIX))
# Without bytecode every process of Airflow starts in twice the time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup browser second-opinion demo up down test test-all test-unit test-cluster test-versions explore chaos check format bench bench-cluster bench-faults bench-state-machine pictures package deploy variable remove lock clean

help:  ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1 — /p' $(MAKEFILE_LIST)

setup: $(VENV)/.ready $(LOCAL_AWS_VENV)/.ready  ## Install what everything below needs (they do it themselves)

$(UV):
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 to 3.13 is needed: make PYTHON=/path/to/python3.x …"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.9

$(VENV)/.ready: requirements.lock | $(UV)
	$(UV) pip install --quiet --compile-bytecode --python $(VENV)/bin/python --requirements requirements.lock
	@touch $@

$(LOCAL_AWS_VENV)/.ready: include/sandbox/aws/requirements.txt | $(UV)
	$(UV) venv --quiet --allow-existing --python $(VENV)/bin/python $(LOCAL_AWS_VENV)
	$(UV) pip install --quiet --compile-bytecode --python $(LOCAL_AWS_VENV)/bin/python --requirements $<
	@touch $@

# Judges of the state machine that nobody here wrote; only their tests need them.
second-opinion: setup $(MOTO_VENV)/.ready $(LANGUAGE_SERVICE)/.ready

$(MOTO_VENV)/.ready: tests/second_opinion/requirements.txt | $(UV)
	$(UV) venv --quiet --allow-existing --python $(VENV)/bin/python $(MOTO_VENV)
	$(UV) pip install --quiet --compile-bytecode --python $(MOTO_VENV)/bin/python --requirements $<
	@touch $@

$(LANGUAGE_SERVICE)/.ready: tests/second_opinion/package.json tests/second_opinion/package-lock.json
	$(call npm-ci,AWS's own language service)

$(AXE)/.ready: tests/console/axe/package.json tests/console/axe/package-lock.json
	$(call npm-ci,axe which judges accessibility)

# Installs what a package.json names. Where there is no npm and none can be had, the tests leave it out.
define npm-ci
	@mkdir -p $(@D) && cp $^ $(@D)
	@command -v npm >/dev/null || [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null || \
		{ echo "Installing nodejs and npm"; apt-get update -qq && apt-get install -qq nodejs npm; }
	@if command -v npm >/dev/null; then cd $(@D) && npm ci --silent --ignore-scripts --no-audit --no-fund && touch .ready; \
		else echo "There is no npm: $(1) is LEFT OUT of the tests."; fi
endef

demo: setup  ## Import users end to end and show it (USERS=60; AWS_ENDPOINT_URL=… for an AWS of your own)
	@$(if $(AWS_ENDPOINT_URL),AWS_ENDPOINT_URL=$(AWS_ENDPOINT_URL)) $(RUN) -m demo --users $(USERS) $(if $(AWS_ENDPOINT_URL),--environment)

up: setup  ## Start local AWS and Airflow, print the UI's address and login, and keep them running
	@$(RUN) -m demo.up

down: setup  ## Stop what `make up` started
	@$(RUN) -m demo.down

PYTEST := $(VENV)/bin/python -m pytest
# Three processes with an Airflow each, and two for all else, which give way to them.
SIDE_BY_SIDE := --dist loadscope --no-loadscope-reorder --durations 25 --numprocesses

test: setup second-opinion browser  ## Run the tests, real Airflow included (11 minutes on 2 cores)
	$(PYTEST) -m "not slow and not versions" $(SIDE_BY_SIDE) 5

test-all: setup second-opinion browser  ## Run those that are slow by nature, too: outages, nights that are cut, several machines, other Airflows (31 minutes)
	$(PYTEST) $(SIDE_BY_SIDE) 5
	@$(MAKE) --no-print-directory test-versions

test-unit: setup  ## Run the tests that start neither Airflow nor the state machine (two minutes)
	$(PYTEST) -m "not airflow and not slow and not versions" --ignore tests/stack --ignore tests/second_opinion --numprocesses 2 --dist loadfile

explore: setup  ## Try the property tests on 1,000 fresh examples each, where the other targets repeat the same ones
	$(PYTEST) -m hypothesis --hypothesis-profile explore tests/request tests/engine tests/report

chaos: setup  ## Run every job type, undos and dry runs under random faults, and hold every report against the truth (SEEDS=100, FIRST=1; on real Airflow AIRFLOW=5)
	@$(RUN) -m tests.chaos$(if $(AIRFLOW),.real_airflow) --seeds $(or $(AIRFLOW),$(SEEDS)) --first $(or $(FIRST),1)

test-cluster: setup  ## Run docker-compose.yaml natively, with two workers, kill one, and take its databases away (eight minutes; needs redis-server)
	$(PYTEST) -s tests/cluster

test-versions: setup  ## Import by both engines on every version of Airflow that users have (five minutes)
	@$(MAKE) --no-print-directory --jobs $(MWAA_VERSIONS:%=.venv-airflow-%/.ready) .venv-airflow-$(NEWEST)/.ready
	$(PYTEST) -m versions tests/integration/versions $(SIDE_BY_SIDE) 3

# $(call airflow,3.12,packages and constraints): an environment with that Python if there is one, else with the one of .venv.
# Where pyenv is, all its versions are let take part.
define airflow
	@PYENV_VERSION="$$(pyenv versions --bare 2>/dev/null | paste -sd:)"; export PYENV_VERSION; \
	$(UV) venv --quiet --clear --no-python-downloads --python $(1) $(@D) 2>/dev/null || { \
		echo "There is no Python $(1): Airflow $* is tried on $$($(VENV)/bin/python --version)."; \
		$(UV) venv --quiet --clear --python $(VENV)/bin/python $(@D); }
	$(UV) pip install --quiet --compile-bytecode --python $(@D)/bin/python \
		--requirements requirements.txt --requirements tests/integration/versions/sandbox.txt $(2)
	@touch $@
endef

.venv-airflow-$(NEWEST)/.ready: requirements.txt requirements-image.lock tests/integration/versions/sandbox.txt | $(UV)
	$(call airflow,3.13,apache-airflow==$(NEWEST) --constraints requirements-image.lock)

.venv-airflow-%/.ready: requirements.txt tests/integration/versions/sandbox.txt $(wildcard $(MWAA)/*.txt) | $(UV)
	$(call airflow,3.12,apache-airflow==$* --constraints $(MWAA)/airflow-constraints-$*.txt --constraints $(MWAA)/essential-$*.txt)

check: setup  ## Lint, format, types and the rules of the house
	$(VENV)/bin/ruff check $(CODE)
	$(VENV)/bin/ruff format --check $(CODE)
	$(VENV)/bin/mypy
	cd plugins && ../$(VENV)/bin/lint-imports --config ../pyproject.toml
	$(VENV)/bin/cfn-lint --regions us-east-1 ap-northeast-1 --template include/stack/template.yaml
	$(RUN) -m stack.lint
	$(VENV)/bin/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yaml
	$(VENV)/bin/python tests/house_rules.py

format: setup  ## Format the code
	$(VENV)/bin/ruff check --fix $(CODE)
	$(VENV)/bin/ruff format $(CODE)

bench: setup  ## Measure 1,000 users against the loops that people write, 100,000 in size, and the pace beside live traffic (an hour)
	@$(RUN) -m bench.size
	@$(RUN) -m bench
	@$(RUN) -m bench.many
	@$(RUN) -m bench.dry_run
	@$(RUN) -m bench.console
	@$(RUN) -m bench.pace --whole --enforcement bucket --live none
	@$(RUN) -m bench.pace

bench-cluster: setup  ## Measure 1,000 users on docker-compose.yaml's services with one worker and with two (five minutes)
	@$(RUN) -m bench.cluster

bench-faults: setup  ## Break one thing at a time amid an import and table what became of every user (FAULTS='postgres api')
	@$(RUN) -m bench.faults $(FAULTS)

bench-state-machine: setup  ## Measure 5,000 users by one execution of the state machine on local AWS (five minutes)
	@$(RUN) -m bench.state_machine

# What shows the page of the UI; only its tests and the pictures need it.
browser: $(AXE)/.ready
	@command -v chromium google-chrome >/dev/null || [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null || \
		{ echo "Installing chromium"; apt-get update -qq && apt-get install -qq chromium fonts-ipafont-gothic; }
	@command -v chromium google-chrome >/dev/null || echo "There is no chromium: the page's tests in a browser are LEFT OUT."

pictures: setup browser  ## Take the pictures of README and docs anew
	@$(RUN) -m demo.pictures

package: setup  ## Build the Lambda function's zip and the state machine's definition
	@$(RUN) -m stack.package

deploy: setup  ## Deploy the stack: make deploy SET='--set MailFrom=… --set UserPoolId=…' (SUFFIX=main)
	@$(RUN) -m stack.deploy deploy $(STACK) $(SET)

variable: setup  ## Print the Airflow Variable cognito_import of the deployed stack
	@$(RUN) -m stack.deploy outputs $(STACK)

remove: setup  ## Remove the stack (SET=--delete-data for its runs and reports, too)
	@$(RUN) -m stack.deploy remove $(STACK) $(SET)

COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --no-strip-extras --no-header --no-emit-index-url

lock: setup  ## Pin everything anew from requirements.txt, requirements-image.in and requirements-dev.in
	$(COMPILE) requirements.txt requirements-dev.in --output-file requirements.lock
	$(COMPILE) requirements.txt requirements-image.in --constraints requirements.lock --no-annotate \
		--output-file requirements-image.lock
	$(COMPILE) tests/second_opinion/requirements.in --no-annotate --output-file tests/second_opinion/requirements.txt

clean:  ## Remove what was installed and built
	rm -rf $(VENV) $(LOCAL_AWS_VENV) $(MOTO_VENV) .venv-airflow-* build .local .mypy_cache .ruff_cache .pytest_cache .hypothesis
