# Every command a developer, a stranger or CI needs. `make help` lists them.
VENV ?= .venv
PYTHON ?= python3
PY := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
DATA ?= $(wildcard ../shared/data/ipinyou)
SOURCES := rtb portfolio rllib_configs pipelines deployments tests benchmarks

.DEFAULT_GOAL := help
.PHONY: help install run test chaos backtest bench soak check format models lock clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(INSTALLED) ## make the virtual environment from the lock

$(INSTALLED): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Raybid needs Python 3.11 or later: set PYTHON=") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

run: $(INSTALLED) ## the platform with traffic; DURATION=30 ends by itself, RATE=, GRAPH=colocated
	@$(PY) -m pipelines.run $(if $(DURATION),--duration $(DURATION)) $(if $(RATE),--rate $(RATE)) $(if $(GRAPH),--graph $(GRAPH))

test: $(INSTALLED) ## all tests, against real servers and a real cluster
	@$(PY) -m pytest

chaos: $(INSTALLED) ## parts killed, notices lost and forged, books audited; SERVERS=own: redis-server, PostgreSQL
	@$(PY) -m pipelines.chaos $(if $(filter own,$(SERVERS)),--own-servers) $(if $(DURATION),--duration $(DURATION))

backtest: $(INSTALLED) ## bidders on logged auctions; DATA=DIR: a folder of them, else ../shared/data/ipinyou or made-up; AUCTION=first
	@$(PY) -m pipelines.backtest $(if $(DATA),--data $(DATA)) $(if $(BIDDERS),--bidders $(BIDDERS)) $(if $(AUCTION),--auction $(AUCTION))

bench: $(INSTALLED) ## requests a second through the whole platform; QUICK=1: two minutes; REQUESTS=FILE: replay these
	@$(PY) -m benchmarks.serving $(if $(QUICK),--quick) $(if $(REQUESTS),--requests $(REQUESTS))

soak: $(INSTALLED) ## ten minutes of steady load: memory, files, connections and latency stay; MINUTES=, RATE=, GRAPH=colocated
	@$(PY) -m benchmarks.serving.soak $(if $(MINUTES),--minutes $(MINUTES)) $(if $(RATE),--rate $(RATE)) $(if $(GRAPH),--graph $(GRAPH)) $(if $(REQUESTS),--requests $(REQUESTS))

check: $(INSTALLED) ## lint, format, types, import directions
	@$(VENV)/bin/ruff check $(SOURCES)
	@$(VENV)/bin/ruff format --check $(SOURCES)
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports

format: $(INSTALLED) ## mend what ruff can mend
	@$(VENV)/bin/ruff check --fix $(SOURCES)
	@$(VENV)/bin/ruff format $(SOURCES)

models: $(INSTALLED) ## train the served and the published models again; DATA=DIR: logged auctions to learn from
	@$(PY) -m pipelines.train_ctr
	@$(PY) -m pipelines.train_policy --algo ppo $(if $(DATA),--data $(DATA)) --seed 1 --out models/ppo
	@$(PY) -m pipelines.train_policy --algo dqn $(if $(DATA),--data $(DATA)) --seed 1 --out models/dqn

lock: ## pin what pyproject.toml allows today into requirements.lock
	@PYTHON=$(PYTHON) cluster/lock.sh

clean: ## remove what the platform wrote (var/), not the environment
	@rm -rf var
