# Every target is one plain command that also runs without make. .venv is made on the first use.
PYTHON ?= python3
.DEFAULT_GOAL := help
IN_VENV := $(PYTHON) scripts/bootstrap.py

.PHONY: help run up down test slow e2e check bench lock clean

help: ## print these targets
	@sed -n 's/^\([a-z0-9]*\): ## /\1\t/p' Makefile | expand -t 8

run: ## run the system as processes on 127.0.0.1:8000 (GATEWAY_PORT), without Docker
	$(IN_VENV) --only-run python local/run.py

up: ## run the system in containers
	docker compose up --build --wait

down: ## stop the containers and keep their data
	docker compose down

test: ## run every test, on this Python and, where Docker answers, in containers
	$(IN_VENV) python scripts/test.py

slow: ## run the tests that take long
	$(IN_VENV) python scripts/test.py --slow

e2e: ## run the end-to-end tests alone, against GATEWAY_URL if that is set
	$(IN_VENV) python -m pytest tests-e2e

check: ## check format, lint, types, Dockerfiles and the locked requirements
	$(IN_VENV) python scripts/check.py

bench: ## run the benchmarks
	$(IN_VENV) python -m benchmarks

lock: ## lock the requirements of every part anew
	$(IN_VENV) python scripts/lock.py

clean: ## remove .venv, the data of `make run` and the tools' caches
	rm -rf .venv .data .*_cache */.*_cache .coverage */.coverage
