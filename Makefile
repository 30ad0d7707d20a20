# Two commands do all set-up: `make run` shows defects found, `make test` passes the tests.
# Each builds .venv on first use. PYTHON=python3.12 make run picks another Python (3.10 or newer).

PYTHON ?= python3
BIN := .venv/bin

.PHONY: run lab test quick-test browser-test lint notebooks numbers book slides classroom publish-name clean
.DEFAULT_GOAL := run

# Installs the core and runs it. HAZELNUT_DATA=folder make run takes your own images. Without make: hazelnut-ae start.
run: .venv/core
	$(BIN)/hazelnut-ae start

lab: .venv/notebooks
	$(BIN)/jupyter lab notebooks

test: lint
	$(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist worksteal -m "not browser"

# Without kills, archive bombs, fuzz, long trainings and the notebooks.
quick-test: lint
	$(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist worksteal -m "not slow and not browser"

# The book, the playground and JupyterLab in Chromium.
browser-test: .venv/book
	$(BIN)/python -m pytest -q -n auto --maxprocesses 2 -m browser --dist loadfile

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

# Builds the notebooks and their solutions from notebooks/source and executes them in place; ONLY=06 for one of them.
notebooks: .venv/dev
	$(BIN)/python book/notebook_files.py
	$(BIN)/hazelnut-ae tutorial --out notebooks --figures figures --solutions $(if $(ONLY),--only $(ONLY))

# Writes the page of measured numbers, hazelnut_ae/shipped/README.md, from the files beside it.
numbers: .venv/dev
	$(BIN)/python -m benchmarks numbers

# The course as a web site with its playground, in book/_build/html. Needs npm (of Node.js) the first time, for MathJax and
# onnxruntime-web as book/package-lock.json names them. Executes nothing.
book: .venv/book
	$(BIN)/python book/build.py

# A deck of slides for each notebook, in slides/, and as PDF where there is a Chromium.
slides: .venv/book
	$(BIN)/python book/slides.py

# One folder and one zip from which laptops install without a network; PIP="…" hands options to pip download.
classroom: .venv/notebooks
	$(BIN)/python book/classroom.py $(or $(OUT),classroom) $(if $(PIP),-- $(PIP))

# Fills in where this repository is on GitHub: README, Colab, Binder, CITATION and pyproject. Without OWNER: from git's origin.
publish-name:
	$(PYTHON) .github/publish_name.py $(OWNER)

.venv/core: pyproject.toml
	@echo "Building .venv; this takes a few minutes, once."
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

.venv/notebooks .venv/dev .venv/book: .venv/%: .venv/core
	$(BIN)/python -m pip install --quiet --editable ".[$*]"
	@touch $@

clean:
	rm -rf .venv runs slides book/node_modules book/pages book/_extra book/_build
