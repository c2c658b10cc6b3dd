# make demo    set up, then hear a whole call: service, speech worker and a simulated caller
# make setup   .venv alone; after it .venv/bin/bridge works
# make test    set up with the test tools, torch and Helm's engine, then run all tests
# make redis   install redis-server with apt, for the tests that want a real one; they are skipped without it
# make check   format, lint, strict types, and how much of the pure rooms their tests reach (make cover)
# make explore the property tests with new examples, three times as many as hypothesis takes by itself; make test takes the same each time
# make other   the pure rooms' tests on another Python (3.13, or 3.11 where .venv is 3.13), where one is installed
# make bench   the benchmarks behind the numbers of tests/bench/README.md
#
# PYTHON=... chooses the interpreter, TESTS=... the tests, JOBS=... how many processes run them: four keep two cores
# busy, as about half of what the tests do is waiting for a process, a call or a timer; each takes up to 3 GB.

BIN := .venv/bin
TESTS ?= tests
JOBS ?= 4
SPREAD = -n $(JOBS) --dist loadfile --no-loadscope-reorder
PURE := carriers audio understanding text call
FLOOR := 95
SLOW := tests/call/test_published_clips.py tests/text/spoken/test_any_text.py \
  tests/call/test_moving.py::test_stop_any_call_anywhere_and_resume_it_elsewhere \
  tests/call/test_moving.py::test_a_story_that_is_moved_twice_is_heard_to_its_end \
  tests/understanding/test_properties.py::test_what_comes_after_the_longest_text_is_not_looked_at
BRIEF = --hypothesis-profile=brief $(SLOW:%=--deselect=%) $(PURE:%=tests/%)

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev redis demo test explore check cover other format bench clean

help:
	@sed -n 's/^# //p' Makefile

setup:
	@deploy/setup.sh

setup-dev:
	@deploy/setup.sh dev torch chart

redis:
	@deploy/redis.sh

demo: setup
	@$(BIN)/bridge demo

test: setup-dev
	@$(BIN)/python -m pytest $(SPREAD) $(TESTS)

explore: setup-dev
	@$(BIN)/python -m pytest $(SPREAD) --hypothesis-profile=explore -m "hypothesis" $(TESTS)

check: setup-dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(MAKE) --no-print-directory cover

cover: setup-dev
	@mkdir -p out
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest $(SPREAD) $(BRIEF)
	@$(BIN)/coverage combine -q
	@for room in $(PURE); do \
	  reached=$$($(BIN)/coverage report --include="*/bridge/$$room/*" --format=total) || exit 1; \
	  echo "bridge/$$room: its tests reach $$reached % of it"; \
	  if [ "$$reached" -lt $(FLOOR) ]; then \
	    $(BIN)/coverage report --include="*/bridge/$$room/*"; \
	    echo "bridge/$$room: expected $(FLOOR) % or more; what is missing stands above"; exit 1; \
	  fi; \
	done

other: setup-dev
	@deploy/other_python.sh $(SPREAD) $(BRIEF)

format: setup-dev
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup-dev
	@for bench in $$(grep -l '__main__' tests/bench/*.py); do \
	  echo "== $$bench"; $(BIN)/python -m "$$(echo $${bench%.py} | tr / .)" || exit 1; \
	done
	@echo "== bridge bench speech"; $(BIN)/bridge bench speech -o out/bench

clean:
	rm -rf .venv* build dist out *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
