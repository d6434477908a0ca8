# make demo and make test set up everything that they need in .venv; nothing outside the checkout is touched.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check -q install -c constraints.txt
DEMO   := KB_HOME="$(CURDIR)/.kb-demo" $(BIN)/kb
PYTEST := $(BIN)/python -m pytest
LLAMA  := .venv-llama-cpp

.PHONY: help demo test test-all check bench serve samples clean

help:            ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*##/\t/'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "qwen-kb needs Python 3.11 or newer: make PYTHON=python3.11 demo"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "On Debian and Ubuntu: apt install python3-venv"; exit 1; }

$(VENV)/base.stamp: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing qwen-kb into $(VENV) ..." >&2
	@$(PIP) -e .
	@touch $@

$(VENV)/test.stamp: $(VENV)/base.stamp
	@echo "Installing what the tests need (torch and transformers among it: this takes a few minutes) ..." >&2
	@$(PIP) -e '.[dev,local,llama-index,office,ocr,eval]'
	@touch $@

demo: $(VENV)/base.stamp  ## ingest the sample documents, ask, show a cited answer and a refusal
	@rm -rf .kb-demo && mkdir -p .kb-demo
	@echo "== kb ingest docs/samples" && $(DEMO) ingest docs/samples
	@echo && echo "== kb ask 工龄满十年的员工有多少天年休假？" && $(DEMO) ask "工龄满十年的员工有多少天年休假？"
	@echo && echo "== kb ask How long are nightly copies kept?" && $(DEMO) ask "How long are nightly copies kept?"
	@echo && echo "== kb ask 公司食堂的午餐几点开始？" && $(DEMO) ask "公司食堂的午餐几点开始？"
	@echo && echo "Now your own documents: $(BIN)/kb ingest ./document && $(BIN)/kb ask \"...\"   (README.md, five minutes)"

test: $(VENV)/test.stamp  ## the default tests (under 8 minutes on 2 cores)
	@$(PYTEST) -n 2 --dist loadfile

test-all: $(VENV)/test.stamp $(if $(KB_TEST_LLAMA_CPP_PYTHON),,$(LLAMA)/stamp)  ## the default tests and the long batteries; compiles llama-cpp-python once
	@test ! -f $(LLAMA)/stamp || \
	  export KB_TEST_LLAMA_CPP_PYTHON="$${KB_TEST_LLAMA_CPP_PYTHON:-$(CURDIR)/$(LLAMA)/bin/python}"; \
	  $(PYTEST) -n 2 --dist loadfile -m "long or not long" --timeout=3600

# It has no wheel. Without a compiler the stamp is not made, and the tests that run this server are skipped and say so.
$(LLAMA)/stamp: tests/kb/engines/openai/llama_cpp_python.txt constraints.txt | $(BIN)/python
	@if ! command -v "$${CC:-cc}" >/dev/null || ! command -v "$${CXX:-c++}" >/dev/null; then \
	  echo "No C and C++ compiler: the tests of llama-cpp-python's server will be skipped (Debian, Ubuntu: apt install build-essential)" >&2; \
	else \
	  echo "Compiling llama-cpp-python into $(LLAMA), once (5 to 20 minutes) ..." >&2; \
	  rm -rf $(LLAMA) && $(BIN)/python -m venv $(LLAMA) && \
	  $(LLAMA)/bin/python -m pip --disable-pip-version-check -q install -c constraints.txt -r $< && touch $@; \
	fi

check: $(VENV)/test.stamp  ## ruff, mypy --strict, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(VENV)/test.stamp  ## every benchmark into benchmarks/results/; BENCH=--small: only that they run; BENCH="peers answers": these
	@$(BIN)/python -m benchmarks $(BENCH)

serve: $(VENV)/base.stamp  ## serve the demo's knowledge base on http://127.0.0.1:8000
	@test -d .kb-demo/default || $(MAKE) demo
	@$(DEMO) serve

clean:           ## remove the environments and the demo's knowledge base
	@rm -rf $(VENV) $(LLAMA) .kb-demo
