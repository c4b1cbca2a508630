# Every verb installs what it needs into .venv, and says so; `check` asks for nothing else. The verbs that use containers
# or a cluster also install missing system packages, as root on Debian.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
# in so many processes, WORKERS=… chooses; 0 is one, with the debugger. Live tests mostly wait.
PYTEST = $(BIN)/python -m pytest --numprocesses $(or $(WORKERS),2)
PYTEST_LIVE = $(BIN)/python -m pytest --numprocesses $(or $(WORKERS),3)
# one stops the server of the Kubernetes API, one closes the network of all pods: what the other tests need
ALONE = tests/live/test_calrissian_api.py tests/live/test_enforced_policies.py
export CONTAINERS_CONF := $(CURDIR)/dev/images/containers.conf
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# where it is set, each of the thousands of processes of tests and benches compiles all its modules again
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help check newest wheel demo test system-test test-unit test-contract test-live test-attacks test-long conformance lint format bench bench-quick bench-trace bench-cluster bench-argo bench-scale bench-servers docs lock images \
        cluster cluster-down argo argo-down template-repo clean env-demo env-dev go azurite postgres keycloak pulsar pulsar-down opa prometheus netpol helm deploy-images chart-images clients hera5 browser docs-site docs-env

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

check: lint test-unit ## style, types, layers and unit tests: no root, no cluster, under two minutes from a clone

demo: env-demo ## run two real packages on real satellite data, end to end; KEEP=1 keeps its servers running
	@$(BIN)/python -m demo $(if $(KEEP),--keep)

test: check test-contract test-attacks test-live ## everything that CI runs: style, types, layers, all tiers

test-unit: env-dev ## unit tests: pure and fast
	@echo "tests: unit"
	@$(PYTEST) tests/unit

test-contract: env-dev images cluster argo azurite postgres clients helm prometheus docs-env ## contract tests: one suite for each interface, over every implementation
	@echo "tests: contract"
	@$(PYTEST) tests/contract

test-attacks: env-dev ## hostile packages, data and callers, and what must not come of them
	@sh dev/packages.sh sandbox
	@echo "tests: attacks"
	@$(PYTEST) tests/attacks

test-live: env-dev images cluster argo postgres keycloak pulsar opa prometheus netpol helm chart-images hera5 browser ## live tests: real containers, a real cluster, Keycloak, Pulsar, OPA, Prometheus, and the servers at ZOO_URL and ARGO_SERVER
	@echo "tests: live"
	@$(PYTEST_LIVE) tests/live $(addprefix --ignore ,$(ALONE))
	@$(BIN)/python -m pytest --numprocesses 0 $(ALONE)

test-long: env-dev images cluster argo postgres hera5 ## tests that take minutes, such as killing a client at every point of its job, or each example on argo-native
	@echo "tests: long"
	@$(PYTEST) -m long tests

# under CI=true what cannot run is a failure: a test of a release that tests nothing would pass
system-test: env-dev ## test a deployment as its clients do: URL=…; without, the Helm chart, installed on dev/cluster for this
	@if [ -n "$(URL)" ]; then $(BIN)/zoo-runner system-test "$(URL)"; else \
	  $(MAKE) --no-print-directory images cluster helm chart-images && CI=true $(BIN)/python -m pytest --numprocesses 0 tests/live/test_helm_chart.py tests/live/test_chart_restore.py; fi

conformance: env-dev ## run the CWL conformance suite in the folder CWL_CONFORMANCE, kept elsewhere, beside cwltool (an hour); TESTS=1,3-6, JOBS=2 at a time, ENGINE=argo-native|calrissian on the cluster
	@$(PYTHON) -m venv .venv-conformance && .venv-conformance/bin/python -m pip install --quiet --disable-pip-version-check \
	  --no-deps --require-hashes --requirement requirements/conformance.lock
	@PYTHONPATH=. $(BIN)/python dev/conformance/suite.py "$${CWL_CONFORMANCE:?names the folder of a conformance suite}" \
	  $(or $(ENGINE),local) $(TESTS) --jobs $(or $(JOBS),2)

lint: env-dev ## style, types, layers
	@echo "lint: ruff, mypy, import-linter"
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports --no-cache

format: env-dev ## format the code
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

bench: env-dev bench-servers images postgres ## compare with similar tools (25 minutes), data in memory if it fits, or in FOLDER=…; writes docs/bench.md
	@$(BIN)/python -m bench
	@$(BIN)/python -m bench.isolation
	@$(BIN)/python -m bench.staging $(if $(FOLDER),--folder $(FOLDER))
	@$(BIN)/python -m bench.items
	@$(BIN)/python -m bench.api
	@$(BIN)/python -m bench.job_list
	@$(BIN)/python -m bench.drill
	@$(BIN)/python -m bench.authorisation

bench-cluster: env-dev bench-servers cluster ## compare jobs on Kubernetes with a plain Calrissian Job and pycalrissian
	@$(BIN)/python -m bench.cluster

bench-quick: env-dev ## a few ratios to cwltool beside those recorded last (4 minutes); RECORD=1 adds a row to docs/bench-history.md
	@$(BIN)/python -m bench.quick $(if $(RECORD),--record)

bench-trace: env-dev bench-servers cluster ## where the time of one job goes, on this machine and on Kubernetes; writes docs/bench.md
	@$(BIN)/python -m bench.trace

bench-argo: env-dev bench-servers argo ## compare a job on Argo Workflows with `argo submit --watch` of the same container
	@$(BIN)/python -m bench.argo

bench-scale: env-dev go postgres ## ten million jobs in a database, and thousands on a simulated Kubernetes (2 hours, 25 GB); writes docs/scale.md
	@sh dev/packages.sh cluster && bash dev/cluster/build.sh
	@$(BIN)/python -m bench.scale_jobs $(JOBS_OPTIONS)
	@$(BIN)/python -m bench.scale_kubernetes $(KUBERNETES_OPTIONS)

bench-servers: go
	@sh dev/packages.sh bench
	@[ -x $(BIN)/versitygw ] || { echo "bench: building versitygw, an S3 server (a minute)" && \
	  GOBIN=$(CURDIR)/$(BIN) go install github.com/versity/versitygw/cmd/versitygw@v1.8.0; }

docs: env-dev ## generate the pages that are written from the code: docs/settings.md, docs/errors.md
	@$(BIN)/python -m tests.pages

docs-site: docs-env ## build the site of the documentation into site/, without network
	@NO_MKDOCS_2_WARNING=1 .venv-docs/bin/python -m mkdocs build --strict --quiet && echo "docs: site/index.html"

lock: env-dev ## update the lock files, with hashes; UPGRADE=1 takes the newest versions
	@$(BIN)/python requirements/lock.py $(if $(UPGRADE),--upgrade)

newest: env-dev ## test the newest versions of packages whose internals are used, beyond their upper bounds; only warns
	@$(BIN)/python requirements/newest.py

wheel: env-dev ## build sdist and wheel into dist/, without network
	@rm -rf dist && $(BIN)/uv build --quiet --offline --no-build-isolation --python $(BIN)/python --out-dir dist .
	@ls dist

images: ## build the container images of the examples and tests (podman)
	@sh dev/packages.sh podman
	@bash dev/images/build.sh

deploy-images: env-dev images ## build the images that platforms install, each with its SBOM in dist/sbom; prints their sizes
	@bash dev/images/deploy.sh

chart-images: images cluster opa
	@[ "$${KUBERNETES:-}" = yours ] || bash dev/images/deploy.sh --cluster

cluster: go ## start a real one-node Kubernetes (built at the first call, about 5 minutes), with a new job image
	@sh dev/packages.sh cluster
	@bash dev/cluster/up.sh
	@[ "$${KUBERNETES:-}" = yours ] || bash dev/cluster/images.sh --job

cluster-down: ## stop the cluster
	@bash dev/cluster/down.sh

argo: go ## start a real Argo Workflows beside the cluster (built at the first call, about 6 minutes); ARGO_SERVER=… uses that one
	@[ -n "$${ARGO_SERVER:-}" ] || sh dev/packages.sh cluster
	@bash dev/argo/up.sh

argo-down: ## stop Argo Workflows
	@bash dev/argo/down.sh

postgres: ## start a PostgreSQL for tests, in this user's cache (dev/postgres/up.sh stop ends it)
	@sh dev/packages.sh postgres
	@bash dev/postgres/up.sh

keycloak: ## start a Keycloak for tests, in this user's cache (dev/keycloak/up.sh stop ends it)
	@sh dev/packages.sh keycloak
	@bash dev/keycloak/up.sh

pulsar: ## start an Apache Pulsar for tests, in this user's cache
	@sh dev/packages.sh pulsar
	@bash dev/pulsar/up.sh

pulsar-down: ## stop Apache Pulsar
	@bash dev/pulsar/up.sh stop

opa: go ## build Open Policy Agent for tests, into this user's cache
	@bash dev/opa/install.sh

prometheus: go ## build Prometheus and promtool for tests, into this user's cache
	@bash dev/prometheus/build.sh

netpol: go ## build kube-router for tests, into this user's cache: it enforces NetworkPolicies
	@sh dev/packages.sh netpol
	@bash dev/netpol/build.sh

helm: go ## build Helm for tests, into this user's cache
	@bash dev/helm/build.sh

template-repo: ## publish template/ as a git repository that ZOO can clone: make template-repo TO=<repository or folder>
	@sh template/publish.sh "$(TO)"

clean: ## remove what the other targets created here
	@rm -rf .venv .venv-newest .venv-clients .venv-conformance .venv-hera5 .venv-docs site demo-output build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

env-demo:
	@PYTHON=$(PYTHON) sh requirements/python.sh && $(PYTHON) requirements/install.py demo

# from 1.21 on, go itself fetches the version that a go.mod asks for
go: env-dev
	@printf 'go1.21\n%s\n' "$$(go env GOVERSION 2>/dev/null)" | sort -VC || { echo "environment: installing Go into .venv" && \
	  $(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement requirements/go.lock; }

azurite: env-dev
	@$(BIN)/python dev/npm.py azurite >/dev/null

# Chromium, and what checks pages for barriers
browser: env-dev clients
	@sh dev/packages.sh browser
	@$(BIN)/python dev/npm.py axe >/dev/null

# scripts of an older Hera, in an environment of their own
hera5: env-dev
	@[ -x .venv-hera5/bin/python ] || { echo "environment: creating .venv-hera5" && \
	  $(BIN)/uv venv --quiet --python $(BIN)/python .venv-hera5; }
	@$(BIN)/uv pip sync --quiet --python .venv-hera5 --require-hashes requirements/hera5.lock

# other people's clients of the server, in an environment of their own
clients: env-dev
	@[ -x .venv-clients/bin/python ] || { echo "environment: creating .venv-clients" && \
	  $(BIN)/uv venv --quiet --python $(BIN)/python .venv-clients; }
	@$(BIN)/uv pip sync --quiet --python .venv-clients --require-hashes requirements/clients.lock

# the generator of the documentation's site, in an environment of its own
docs-env: env-dev
	@[ -x .venv-docs/bin/python ] || { echo "environment: creating .venv-docs" && \
	  $(BIN)/uv venv --quiet --python $(BIN)/python .venv-docs; }
	@$(BIN)/uv pip sync --quiet --python .venv-docs --require-hashes requirements/docs.lock
	@echo "$(CURDIR)" > "$$(.venv-docs/bin/python -c 'import site; print(site.getsitepackages()[0])')/zoo-runner.pth"

env-dev:
	@PYTHON=$(PYTHON) sh requirements/python.sh && $(PYTHON) requirements/install.py dev
