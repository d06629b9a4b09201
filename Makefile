# Works on a fresh machine with make and Python 3.11 or newer. `make help` lists the targets.
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.installed
DEVELOPMENT := $(VENV)/.installed-dev
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock"

# The first Python on the path that is new enough; `make PYTHON=...` names another one.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	command -v $$python >/dev/null 2>&1 \
	&& $$python -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' && echo $$python && break; done)

.PHONY: help install compile wheel demo image image-test compose monitoring coverage abuse faults test soak races causes bounds matrix diff fuzz check audit bench format lock clean
.DEFAULT_GOAL := help

help:
	@echo "make install   put keyclash into .venv"
	@echo "make compile   compile what every packet passes through, in place; needs a C compiler, and halves the CPU per query"
	@echo "make wheel     build a wheel with that compiled into build/dist"
	@echo "make demo      install, then run the proxy on an embedded server with some traffic"
	@echo "make test      install with the tools, fetch real servers, then check and run every test"
	@echo "make image     build the container image keyclash:VERSION with docker, podman or buildah"
	@echo "make image-test  build and run it without any of them, on a stand-in for its base"
	@echo "make compose   run keyclash, MySQL, Prometheus and Grafana with docker compose"
	@echo "make monitoring  hold rules and dashboard to a real Prometheus that scrapes a real proxy"
	@echo "make coverage  tell which lines of the proxy the tests of its parts do not reach; at least 93 % are to be reached"
	@echo "make diff      hold DIFF_CONVERSATIONS=10000 generated conversations per server with and without the proxy"
	@echo "make fuzz      give FUZZ_INPUTS=2000000 inputs of any making to each parser and to whole sessions"
	@echo "make matrix    hold every case of the matrix of statements and rules against the model, not a sixth of them"
	@echo "make abuse     hold the proxy against ABUSE_CLIENTS=1000 clients that never log in, and as many that never read"
	@echo "make faults    cut, reset, delay and silence connections, servers, workers, disks and clocks, in every state"
	@echo "make races     let eight clients race, RACE_SECONDS=30 for each action on each server"
	@echo "make causes    produce every cause of conflicts CAUSES=100 times on each server, and follow what is suggested"
	@echo "make bounds    record BOUNDS=1000000 conflicts on a tenth as many keys, and print memory and series"
	@echo "make soak      for SOAK_SECONDS=600 reload, kill, restart and replace around 200 clients that write"
	@echo "make check     linters, formatting, types and the import contract only"
	@echo "make audit     ask for known faults of the pinned packages"
	@echo "make bench     measure the proxy beside others; BENCH=--quick takes two minutes, BENCH=--help tells the rest"
	@echo "make format    put the code into the one format"
	@echo "make lock      pin the newest versions of all dependencies"
	@echo "make clean     remove .venv and what the tools left behind"

install: $(RUNTIME)

demo: install
	$(BIN)/keyclash demo

compile: install
	KEYCLASH_COMPILE=1 $(BIN)/python setup.py --quiet build_ext --inplace

wheel: install
	KEYCLASH_COMPILE=1 $(PIP) wheel --no-deps --no-build-isolation --wheel-dir build/dist .

# Hundreds of proxies are started, each of which would compile its modules anew where bytecode is not kept.
PYTEST = PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses=3 --dist=loadfile --no-loadscope-reorder
test: check
	$(BIN)/python -m tests.servers fetch
	$(BIN)/python -m tests.clients
	$(BIN)/python -m tests.image
	$(BIN)/python -m tests.prometheus
	$(BIN)/python -m tests.page
	$(PYTEST) tests

# The tests of the parts alone tell it: they take twice as long when they are traced, and whole proxies even longer.
PARTS = $(addprefix tests/,admin advice cli conflicts lookup net rules run session sql wire test_config.py)
coverage: $(DEVELOPMENT)
	$(BIN)/python -m tests.servers fetch
	$(PYTEST) --cov --cov-report=term $(PARTS)

VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
ENGINE ?= $(firstword $(foreach engine,docker podman buildah,$(if $(shell command -v $(engine)),$(engine))))
image:
	$(ENGINE) build --build-arg VERSION=$(VERSION) --build-arg REVISION=$(shell git rev-parse HEAD) --tag keyclash:$(VERSION) .

image-test: $(DEVELOPMENT)
	$(BIN)/python -m tests.image
	$(BIN)/python -m pytest tests/image

# The containers' users are others than this one, so the files are for everybody: it is the folder that is not.
SECRETS = config/secrets/mysql-root-password config/secrets/grafana-password
$(SECRETS):
	@chmod 700 config/secrets
	head -c 24 /dev/urandom | base64 | tr -d '\n' > $@

compose: $(SECRETS)
	docker compose --file config/compose.yaml up --build

monitoring: $(DEVELOPMENT)
	$(BIN)/python -m tests.servers fetch
	$(BIN)/python -m tests.prometheus
	$(BIN)/python -m pytest tests/prometheus

# Both servers at once; a difference is printed as a script. DIFF_SEED repeats a run, DIFF_RULES is none, others or observe.
DIFF_CONVERSATIONS ?= 10000
DIFF_RULES ?= none
diff: $(DEVELOPMENT)
	$(BIN)/python -m tests.servers fetch
	$(BIN)/python -m tests.diff --conversations $(DIFF_CONVERSATIONS) $(DIFF_RULES:%=--rules %) $(DIFF_SEED:%=--seed %)

# Any bytes to all that reads them, led by what they reach; FUZZ=commands takes one target, FUZZ=--help tells the rest.
FUZZ_INPUTS ?= 2000000
fuzz: $(DEVELOPMENT)
	$(BIN)/python -m tests.fuzz --inputs $(FUZZ_INPUTS) $(FUZZ)

ABUSE_CLIENTS ?= 1000
abuse: $(DEVELOPMENT)
	$(BIN)/python -m tests.servers fetch
	ABUSE_CLIENTS=$(ABUSE_CLIENTS) $(BIN)/python -m pytest --capture=no --timeout=900 tests/e2e/test_abuse.py

faults: $(DEVELOPMENT)
	$(BIN)/python -m tests.servers fetch
	FAULTS=full $(BIN)/python -m pytest --capture=no --timeout=600 tests/faults

matrix: $(DEVELOPMENT)
	$(BIN)/python -m tests.servers fetch
	MATRIX=full $(BIN)/python -m pytest --timeout=600 tests/matrix

SOAK_SECONDS ?= 600
soak: $(DEVELOPMENT)
	$(BIN)/python -m tests.servers fetch
	$(BIN)/python -m tests.soak --seconds $(SOAK_SECONDS)

RACE_SECONDS ?= 30
races: $(DEVELOPMENT)
	$(BIN)/python -m tests.servers fetch
	RACE_SECONDS=$(RACE_SECONDS) $(BIN)/python -m pytest --timeout=600 tests/races

CAUSES ?= 100
causes: $(DEVELOPMENT)
	$(BIN)/python -m tests.servers fetch
	CAUSES=$(CAUSES) $(BIN)/python -m pytest -rP --timeout=600 tests/causes

BOUNDS ?= 1000000
bounds: $(DEVELOPMENT)
	BOUNDS=$(BOUNDS) $(BIN)/python -m pytest -rP --timeout=3600 tests/conflicts/test_bounds.py

# Asks for known faults of what is pinned; needs the network.
audit: $(DEVELOPMENT)
	$(BIN)/uv tool run pip-audit --no-deps --disable-pip --requirement requirements.lock

check: $(DEVELOPMENT)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(DEVELOPMENT)
	$(BIN)/python -m tests.bench $(BENCH)

format: $(DEVELOPMENT)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(DEVELOPMENT)
	$(COMPILE) --upgrade --group build --output-file requirements.lock pyproject.toml
	$(COMPILE) --upgrade --group dev --constraints requirements.lock --output-file requirements-dev.lock pyproject.toml

clean:
	find proxy -name '*.so' -delete
	rm -rf $(VENV) build *.egg-info .coverage .*_cache .hypothesis

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and none is on the path; name one with: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than Python 3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# Every package is pinned with its hash, and the lock files name them all: left to resolve "coverage[toml]", pip would ask for
# the newest coverage. keyclash itself is built with the pinned setuptools, without a download.
$(RUNTIME): requirements.lock pyproject.toml | $(BIN)/python
	$(PIP) install --no-deps --require-hashes --requirement requirements.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(DEVELOPMENT): requirements-dev.lock $(RUNTIME)
	$(PIP) install --no-deps --require-hashes --requirement requirements-dev.lock
	$(PIP) check
	@touch $@
