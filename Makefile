# make demo    set up, then hear a whole call: service, speech worker and a simulated caller
# make setup   .venv alone; after it .venv/bin/bridge works
# make test    set up with the test tools and torch, then run all tests
# make redis   install redis-server with apt, for the tests that want a real one; they are skipped without it
# make check   format, lint, strict types
# make bench   the benchmarks behind the numbers of tests/bench/README.md
#
# PYTHON=... chooses the interpreter, TESTS=... the tests.

BIN := .venv/bin
TESTS ?= tests

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev redis demo test check format bench clean

help:
	@sed -n 's/^# //p' Makefile

setup:
	@deploy/setup.sh

setup-dev:
	@deploy/setup.sh dev torch

redis:
	@deploy/redis.sh

demo: setup
	@$(BIN)/bridge demo

test: setup-dev
	@$(BIN)/python -m pytest $(TESTS)

check: setup-dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

format: setup-dev
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup-dev
	@for bench in $$(grep -l '__main__' tests/bench/*.py); do \
	  echo "== $$bench"; $(BIN)/python -m "$$(echo $${bench%.py} | tr / .)" || exit 1; \
	done
	@echo "== bridge bench speech"; $(BIN)/bridge bench speech -o out/bench

clean:
	rm -rf .venv build dist out *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
