# Every command a developer, a stranger or CI needs. `make help` lists them.
VENV ?= .venv
PYTHON ?= python3
PY := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
DATA ?= $(wildcard ../shared/data/ipinyou)
SCRIPTS := $(wildcard .ci/run .ci/system cluster/*.sh cluster/*/*.sh verification/*/*/*.sh)
SOURCES := rtb portfolio simulation rllib_configs pipelines raybid deployments cluster dashboards verification tests benchmarks handbook examples

.DEFAULT_GOAL := help
.PHONY: help install run up down quick test system chaos backtest portfolio bench soak load watch-check check format models lock clean manifests audit sbom docs drawings proxy-check gcs-check console console-check sync-check attack-check strangers-check compose-check cluster-check

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: $(INSTALLED) ## make the virtual environment from the lock, its files checked by hash

$(INSTALLED): requirements.lock requirements-torch.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Raybid needs Python 3.11 or later: set PYTHON=") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-torch.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

run: $(INSTALLED) ## the platform with traffic; DURATION=30 ends by itself, RATE=, GRAPH=colocated
	@$(PY) -m raybid.run $(if $(DURATION),--duration $(DURATION)) $(if $(RATE),--rate $(RATE)) $(if $(GRAPH),--graph $(GRAPH))

up: $(INSTALLED) ## a platform in the background with sample campaigns and no traffic; `make down` ends it
	@$(VENV)/bin/raybid up --detach --samples

down: $(INSTALLED) ## end what `make up` started
	@$(VENV)/bin/raybid down

quick: $(INSTALLED) ## unit and property tests, which start no server
	@$(PY) -m tests quick

test: $(INSTALLED) ## all tests, against real servers and a real cluster; COVERAGE=1: says what they do not run
	@$(if $(COVERAGE),rm -f .coverage;) $(if $(CRDS),CRDS=$(CRDS)) $(PY) -m tests $(if $(COVERAGE),--cov --cov-append --cov-report=term --cov-report=xml)

system: ## install what tests need of the system: Debian packages, by apt
	@.ci/system

chaos: $(INSTALLED) ## parts killed, notices lost and forged, books audited; SERVERS=own: redis-server, PostgreSQL
	@$(PY) -m verification.chaos $(if $(filter own,$(SERVERS)),--own-servers) $(if $(DURATION),--duration $(DURATION))

backtest: $(INSTALLED) ## bidders on logged auctions; DATA=DIR: a folder of them, else ../shared/data/ipinyou or made-up; AUCTION=first
	@$(VENV)/bin/raybid backtest $(if $(DATA),--data $(DATA)) $(if $(BIDDERS),--bidders $(BIDDERS)) $(if $(AUCTION),--auction $(AUCTION))

portfolio: $(INSTALLED) ## strategies that share a budget out, in simulated markets; SEEDS=, QUICK=1: four short ones
	@$(PY) -m pipelines.simulate_portfolio $(if $(QUICK),--seeds 4 --rounds 96) $(if $(SEEDS),--seeds $(SEEDS))

bench: $(INSTALLED) ## requests a second through the whole platform; QUICK=1: two minutes; REQUESTS=FILE: replay these
	@$(PY) -m benchmarks.serving $(if $(QUICK),--quick) $(if $(REQUESTS),--requests $(REQUESTS))

soak: $(INSTALLED) ## ten minutes of steady load: memory, files, connections and latency stay; MINUTES=, RATE=, GRAPH=colocated
	@$(PY) -m benchmarks.serving.soak $(if $(MINUTES),--minutes $(MINUTES)) $(if $(RATE),--rate $(RATE)) $(if $(GRAPH),--graph $(GRAPH)) $(if $(REQUESTS),--requests $(REQUESTS))

load: $(INSTALLED) ## users for a minute against an SLA; HOST=URL: a platform of yours; USERS=, DURATION=, SLA_MS=, SHAPE=spike, WORKERS=
	@$(PY) -m tests.load $(if $(HOST),--host $(HOST)) $(if $(USERS),--users $(USERS)) $(if $(DURATION),--duration $(DURATION)) $(if $(SLA_MS),--sla-ms $(SLA_MS)) $(if $(SHAPE),--shape $(SHAPE)) $(if $(WORKERS),--workers $(WORKERS)) $(if $(GRAPH),--graph $(GRAPH))

watch-check: $(INSTALLED) ## a real Prometheus over the platform: every panel and alert has data, and one fires; three minutes
	@$(PY) -m verification.watch_check $(if $(DURATION),--duration $(DURATION))

manifests: $(INSTALLED) ## build and check what goes to Kubernetes; WRITE=1: generated files first; CRDS=DIR: KubeRay's CRDs
	@$(if $(CRDS),CRDS=$(CRDS)) $(PY) -m cluster.manifests $(if $(WRITE),--write)

proxy-check: $(INSTALLED) ## nginx with TLS before a running platform, and an exchange that trades through it; DURATION=
	@$(PY) -m verification.proxy_check $(if $(DURATION),--duration $(DURATION))

gcs-check: $(INSTALLED) ## the head's GCS killed under load, its state in Redis: serving goes on, the state comes back; needs root
	@$(PY) -m verification.gcs_failover

console: $(INSTALLED) ## the operator's console beside a running platform; RAYBID_URL=, RAYBID_KEY=, RAYBID_CONSOLE_PORT=
	@$(PY) -m dashboards.console

console-check: $(INSTALLED) ## a platform under traffic, and Chromium over every tab of the console; screenshots in var/console-check
	@$(PY) -m verification.console_check

sync-check: $(INSTALLED) ## user sync in Chromium over two publishers' pages with TLS, and attempts at open redirects; two minutes
	@$(PY) -m verification.user_sync

attack-check: $(INSTALLED) ## a platform of its own, attacked in every way an audit found; minutes, root for all; ONLY=TEXT: some
	@$(PY) -m verification.attacks $(if $(ONLY),--only "$(ONLY)")

strangers-check: $(INSTALLED) ## strangers' dates, files, tables, processes and machines; minutes, root for all; ONLY=TEXT: some
	@$(PY) -m verification.strangers $(if $(ONLY),--only "$(ONLY)")

cluster-check: $(INSTALLED) ## a head and three hosts in namespaces, set up by the docs' commands, and every fault of hosts; root, 12 minutes
	@$(PY) -m verification.cluster_check

compose-check: $(INSTALLED) ## image built and compose stack run by podman, restarted, down and up again; root, 15 minutes
	@$(PY) -m verification.compose_check

check: $(INSTALLED) ## lint, format, types, import directions; image, compose file, scripts, workflow
	@$(VENV)/bin/ruff check $(SOURCES)
	@$(VENV)/bin/ruff format --check $(SOURCES)
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports
	@$(VENV)/bin/hadolint cluster/docker/Dockerfile
	@$(VENV)/bin/check-jsonschema --quiet --builtin-schema vendor.compose-spec cluster/compose.yaml
	@$(VENV)/bin/shellcheck $(SCRIPTS)
	@$(VENV)/bin/actionlint -shellcheck $(VENV)/bin/shellcheck
	@$(VENV)/bin/zizmor --offline --quiet --no-progress .github/workflows

audit: $(INSTALLED) ## bandit over the code, pip-audit over the lock (which asks a service on the internet)
	@$(VENV)/bin/bandit --quiet --configfile pyproject.toml --recursive -ll $(filter-out tests,$(SOURCES))
	@$(VENV)/bin/pip-audit --requirement requirements.lock --requirement requirements-torch.lock --strict --no-deps --disable-pip --progress-spinner off || \
	  { echo 'audit: pip-audit failed: packages above have known holes, or it could not reach its service' >&2; exit 1; }

sbom: $(INSTALLED) ## what is shipped as CycloneDX in build/sbom.json, its licences in build/licences.md
	@$(PY) -m cluster.sbom

drawings: $(patsubst %.dot,%.svg,$(wildcard docs/images/*.dot)) ## docs/images/*.svg from their sources, by Graphviz

docs/images/%.svg: docs/images/%.dot
	dot -Tsvg $< -o $@

docs: $(INSTALLED) ## docs/ as a site in build/site
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --site-dir build/site

format: $(INSTALLED) ## mend what ruff can mend
	@$(VENV)/bin/ruff check --fix $(SOURCES)
	@$(VENV)/bin/ruff format $(SOURCES)

models: $(INSTALLED) ## train the served and the published models again; DATA=DIR: logged auctions to learn from
	@$(VENV)/bin/raybid train ctr
	@$(VENV)/bin/raybid train policy --algo ppo $(if $(DATA),--data $(DATA)) --seed 1 --out models/ppo
	@$(VENV)/bin/raybid train policy --algo dqn $(if $(DATA),--data $(DATA)) --seed 1 --out models/dqn

lock: ## pin what pyproject.toml allows today into requirements.lock, with hashes
	@PYTHON=$(PYTHON) cluster/lock.sh

clean: ## remove what the platform wrote (var/, its sockets and Ray's logs), not the environment
	@rm -rf "$$(readlink var/run)" var
