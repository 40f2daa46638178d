# Each target is one plain command, or a few (up); they also run without make. The first use makes
# .venv. With -I, Python ignores variables such as a PYTHONPATH with modules named like its own.
PYTHON ?= python3
.DEFAULT_GOAL := help
IN_VENV := $(PYTHON) -I scripts/bootstrap.py

.PHONY: help run up down test slow e2e check bench lock clean

help: ## print the targets
	@sed -n 's/^\([a-z0-9]*\): ## /\1\t/p' Makefile | expand -t 8

run: ## run the system as processes on 127.0.0.1:8000 (GATEWAY_PORT), without Docker
	$(IN_VENV) --only-run python local/run.py

up: ## run the system in containers, or update it: migrations run first, while the old ones serve
	docker compose build
	docker compose run --rm blog-migrate
	docker compose run --rm platform-migrate
	docker compose up --wait --no-deps blog-service platform-service gateway

down: ## stop the containers and keep their data
	docker compose down

test: ## run all tests on this Python and, if Docker answers, in containers
	$(IN_VENV) python scripts/test.py

slow: ## run the slow tests
	$(IN_VENV) python scripts/test.py --slow

e2e: ## run only the end-to-end tests, against GATEWAY_URL if it is set
	$(IN_VENV) python -m pytest tests-e2e

check: ## check format, lint, types, Dockerfiles and the locked requirements
	$(IN_VENV) python scripts/check.py

bench: ## run the benchmarks
	$(IN_VENV) python -m benchmarks

lock: ## lock all requirements
	$(IN_VENV) python scripts/lock.py

clean: ## remove .venv, the data of `make run` and all caches
	rm -rf .venv .data .*_cache */.*_cache .coverage */.coverage
