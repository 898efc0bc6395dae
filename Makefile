# make demo   install what runs Mayo, and evaluate the two shipped networks on the shipped test images
# make test   install what the tests need, and run them all
# make test-faults   the long campaigns: damaged files, kills, hostile input; writes their figures into docs/reliability.md
# make coverage   the tests, and which lines of mayo/ they run: fewer than the floor in pyproject.toml is a failure
# make results   everything that docs/results.md shows, from prepared images; goes on where it was stopped
# make lint   formatter, linter and type checker
# make ready  install what both need; with -j2 the engine is compiled meanwhile
# make test-sanitize  the engine's tests, those in bytes too, with an engine that looks for memory errors and undefined behaviour
# make lock   pin again what pyproject.toml asks for; UPGRADE=--upgrade takes the newest versions that fit
PYTHON ?= python3.11
BIN := .venv/bin
FASHION := datasets/fashion_mnist.yaml

.PHONY: .venv demo results test test-faults test-sanitize coverage lint ready lock
.DEFAULT_GOAL := demo

.venv: .venv/runtime.stamp

.venv/runtime.stamp: requirements.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r requirements.txt
	touch $@

.venv/dev.stamp: .venv/runtime.stamp requirements-dev.txt
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r requirements-dev.txt
	touch $@

# Our own engine for compact networks; without a compiler they run in TensorFlow.
NATIVE := mayo/net/tf/compact/native

.venv/native.stamp: .venv/runtime.stamp $(wildcard $(NATIVE)/*.[ch])
	$(BIN)/python setup.py --quiet build_ext --inplace
	touch $@

demo: .venv/native.stamp
	./my models/cifarnet.yaml $(FASHION) system.checkpoint.load=pretrained eval info
	./my models/gate/cifarnet.yaml $(FASHION) _gate.density=0.5 system.checkpoint.load=gate50 eval info

results: .venv/dev.stamp .venv/native.stamp
	$(BIN)/python -m benchmarks.reproduce

test: .venv/dev.stamp .venv/native.stamp
	$(BIN)/python -m pytest

test-faults: .venv/dev.stamp .venv/native.stamp
	$(BIN)/python -m pytest -n 0 -m faults --timeout=0 tests

# In a copy of the tree, since an engine of that kind is slow and runs only where its libraries were loaded first.
SANITIZED := build/sanitize
SANITIZED_TESTS := $(NATIVE:mayo/%=tests/%) tests/net/tf/compact/test_narrow.py
SANITIZERS = $(shell $(CC) -print-file-name=libasan.so):$(shell $(CC) -print-file-name=libubsan.so)

test-sanitize: .venv/dev.stamp
	rm -rf $(SANITIZED)
	mkdir -p $(SANITIZED)
	cp -r mayo tests setup.py pyproject.toml README.md LICENSE $(SANITIZED)
	rm -f $(SANITIZED)/$(NATIVE)/*.so
	cd $(SANITIZED) && MAYO_WERROR=1 MAYO_SANITIZE=1 $(abspath $(BIN))/python setup.py --quiet build_ext --inplace
	cd $(SANITIZED) && ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD=$(SANITIZERS) $(abspath $(BIN))/python -m pytest -n 0 --timeout=0 $(SANITIZED_TESTS)

coverage: .venv/dev.stamp .venv/native.stamp
	$(BIN)/python -m pytest --cov=mayo --cov-report=term:skip-covered

ready: .venv/dev.stamp .venv/native.stamp

lint: .venv/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# `requirements-dev.txt` holds the pins of `requirements.txt` and those of every extra.
PIN := CUSTOM_COMPILE_COMMAND='make lock' $(BIN)/pip-compile --quiet --strip-extras --no-emit-options --annotation-style=line --unsafe-package=pip

lock: .venv/dev.stamp
	$(PIN) $(UPGRADE) --output-file=requirements.txt pyproject.toml
	$(PIN) $(UPGRADE) --all-extras --constraint=requirements.txt --output-file=requirements-dev.txt pyproject.toml
