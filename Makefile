# `make run` and `make test` set up everything they need in .venv.
PYTHON ?= python3
SOUK = .venv/bin/python -m app

.PHONY: run test setup

run: setup
	$(SOUK) up

test: setup
	$(SOUK) check

setup: .venv/ready

.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv || { test "$$(id -u)" = 0 && apt-get update -qq && apt-get install -y -qq python3-venv && $(PYTHON) -m venv .venv; } \
		|| { echo "Souk needs Python 3.11 with its venv module (Debian: apt install python3-venv)"; exit 1; }
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch .venv/ready
