# make demo    the article's example through five doors, on a file that left Python behind
# make test    C++ and Python tests
# make fuzz    100,000 wrong archives through info, load, check and run, in a build with sanitizers
# make sanitize   the C++ tests in builds with the sanitizers: half an hour
# All install what is missing, make their own venv in .venv, and build; PYTHON chooses the Python.
PYTHON ?= python3
TORCH ?= 2.13.0
VENV := .venv
BIN := $(VENV)/bin
SOURCES := $(shell find benchmarks/*.cpp cpp cmake python tests/cpp -type f) \
  benchmarks/CMakeLists.txt CMakeLists.txt pyproject.toml LICENSE
BUILD := build/make

.PHONY: demo test test-all fuzz sanitize lint clean
.DELETE_ON_ERROR:

demo: $(VENV)/.built
	$(BIN)/python models/demo.py

# Files of tests run beside each other, as many as there are cores.
test: $(VENV)/.built
	$(BIN)/ctest --test-dir $(BUILD) --output-on-failure -j 2
	$(BIN)/python -m pytest -n auto --dist loadfile

test-all: $(VENV)/.built
	$(BIN)/ctest --test-dir $(BUILD) --output-on-failure -j 2
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not cuda"

# So many mutants of each seed; another SEED gives others. What fails is kept in build/failures.
RUNS ?= 8400
SEED ?= 1
fuzz: $(VENV)/.built
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/cmake --preset fuzz
	$(BIN)/cmake --build build/fuzz --target fuzz_archives
	$(BIN)/python tests/python/fuzz_seeds.py build/seeds
	ulimit -s 65536; ASAN_OPTIONS=allocator_may_return_null=1 UBSAN_OPTIONS=halt_on_error=1 \
	  build/fuzz/tests/cpp/fuzz_archives build/seeds/*.pt build/seeds/*.pt2 --runs $(RUNS) --seed $(SEED) \
	  --keep build/failures

sanitize: $(VENV)/.venv
	for preset in dev thread; do \
	  PATH="$(abspath $(BIN)):$$PATH" $(BIN)/cmake --preset $$preset -DTORCHSHIP_BUILD_CLI=OFF \
	    -DTORCHSHIP_BUILD_PYTHON=OFF && $(BIN)/cmake --build build/$$preset && \
	  setarch -R $(BIN)/ctest --test-dir build/$$preset --output-on-failure || exit 1; \
	done

lint: $(VENV)/.venv
	$(BIN)/python -m pip install --quiet ruff
	$(BIN)/ruff check

$(VENV)/.venv: requirements.txt .ci/setup
	bash .ci/setup "$(PYTHON)" "$(VENV)" "$(TORCH)"
	touch $@

# The package is built without isolation, so that a second build compiles only what changed. The pip of
# Debian 12 does not know the short form of --config-settings.
$(VENV)/.built: $(VENV)/.venv $(SOURCES)
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m pip install . --no-build-isolation --no-deps \
	  --force-reinstall --quiet --config-settings=build-dir=$(BUILD) \
	  --config-settings=cmake.define.TORCHSHIP_BUILD_TESTS=ON \
	  --config-settings=cmake.define.TORCHSHIP_BUILD_BENCHMARKS=ON \
	  --config-settings=cmake.define.TORCHSHIP_WERROR=ON --config-settings=build.targets=all
	touch $@

clean:
	rm -rf build $(VENV)
