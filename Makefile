# Everything that can be done with the project. `make help` lists it.

PYTHON ?= python3.11
VENV := .venv
LOCAL_AWS_VENV := .venv-local-aws
UV := $(VENV)/bin/uv
RUN := PYTHONPATH=include:plugins:. $(VENV)/bin/python
CODE := dags plugins include tests bench
USERS ?= 60
STACK = $(if $(SUFFIX),--suffix $(SUFFIX))
# Without bytecode every process of Airflow starts in twice the time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo up down test test-unit test-cluster check format bench bench-cluster bench-state-machine pictures package deploy variable remove lock clean

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

$(LOCAL_AWS_VENV)/.ready: include/local_aws/requirements.txt | $(UV)
	$(UV) venv --quiet --allow-existing --python $(VENV)/bin/python $(LOCAL_AWS_VENV)
	$(UV) pip install --quiet --compile-bytecode --python $(LOCAL_AWS_VENV)/bin/python --requirements $<
	@touch $@

demo: setup  ## Import users end to end and show it (USERS=60; AWS_ENDPOINT_URL=… for an AWS of your own)
	@$(if $(AWS_ENDPOINT_URL),AWS_ENDPOINT_URL=$(AWS_ENDPOINT_URL)) $(RUN) -m demo --users $(USERS) $(if $(AWS_ENDPOINT_URL),--environment)

up: setup  ## Start local AWS and Airflow, print the UI's address and login, and keep them running
	@$(RUN) -m demo.up

down: setup  ## Stop what `make up` started
	@$(RUN) -m demo.down

test: setup  ## Run all tests, real Airflow included (half an hour)
	$(VENV)/bin/python -m pytest --numprocesses 2 --dist loadscope --no-loadscope-reorder --durations 25

test-unit: setup  ## Run the tests that need no Airflow (a minute)
	$(VENV)/bin/python -m pytest -m "not airflow and not cluster"

test-cluster: setup  ## Run docker-compose.yaml natively, with two workers, and kill one (four minutes; needs redis-server)
	$(VENV)/bin/python -m pytest -s tests/cluster

check: setup  ## Lint, format, types and the rules of the house
	$(VENV)/bin/ruff check $(CODE)
	$(VENV)/bin/ruff format --check $(CODE)
	$(VENV)/bin/mypy
	cd plugins && ../$(VENV)/bin/lint-imports --config ../pyproject.toml
	$(VENV)/bin/cfn-lint --regions us-east-1 ap-northeast-1 --template include/aws/template.yaml
	$(RUN) -m aws.definition --check
	$(RUN) -m aws.lint
	$(VENV)/bin/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yaml
	$(VENV)/bin/python tests/house_rules.py

format: setup  ## Format the code
	$(VENV)/bin/ruff check --fix $(CODE)
	$(VENV)/bin/ruff format $(CODE)

bench: setup  ## Measure 1,000 users against the loops that people write instead, and 100,000 in size (ten minutes)
	@$(RUN) -m bench.size
	@$(RUN) -m bench

bench-cluster: setup  ## Measure 1,000 users on docker-compose.yaml's services with one worker and with two (five minutes)
	@$(RUN) -m bench.cluster

bench-state-machine: setup  ## Measure 5,000 users by one execution of the state machine on local AWS (five minutes)
	@$(RUN) -m bench.state_machine

pictures: setup  ## Take the pictures of the README anew (installs Debian's chromium if there is no browser)
	@command -v chromium >/dev/null || { echo "Installing chromium"; apt-get update -qq && apt-get install -qq chromium; }
	$(UV) pip install --quiet --python $(VENV)/bin/python playwright==1.65.2
	@$(RUN) -m demo.pictures

package: setup  ## Build the Lambda function's zip and the state machine's definition
	@$(RUN) -m aws.package

deploy: setup  ## Deploy the stack: make deploy SET='--set MailFrom=… --set UserPoolId=…' (SUFFIX=main)
	@$(RUN) -m aws.deploy deploy $(STACK) $(SET)

variable: setup  ## Print the Airflow Variable cognito_import of the deployed stack
	@$(RUN) -m aws.deploy outputs $(STACK)

remove: setup  ## Remove the stack (SET=--delete-data for its runs and reports, too)
	@$(RUN) -m aws.deploy remove $(STACK) $(SET)

COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --no-strip-extras --no-header --no-emit-index-url

lock: setup  ## Pin everything anew from requirements.txt, requirements-image.in and requirements-dev.in
	$(COMPILE) requirements.txt requirements-dev.in --output-file requirements.lock
	$(COMPILE) requirements.txt requirements-image.in --constraints requirements.lock --no-annotate \
		--output-file requirements-image.lock

clean:  ## Remove what was installed and built
	rm -rf $(VENV) $(LOCAL_AWS_VENV) build .local .mypy_cache .ruff_cache .pytest_cache .hypothesis
