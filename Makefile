# Two commands do all set-up: `make run` shows defects found, `make test` passes the tests.
# Each builds .venv on first use. PYTHON=python3.12 make run picks another Python (3.10 or newer).

PYTHON ?= python3
BIN := .venv/bin

.PHONY: run lab test quick-test lint notebooks numbers book slides classroom clean
.DEFAULT_GOAL := run

# The main job; HAZELNUT_DATA=folder make run takes your own images. Without make: hazelnut-ae start.
run: .venv/installed
	$(BIN)/hazelnut-ae start

lab: .venv/installed
	$(BIN)/jupyter lab notebooks

test: lint
	$(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist worksteal

# Without kills, archive bombs, fuzz, long trainings and the notebooks.
quick-test: lint
	$(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist worksteal -m "not slow"

# Builds the notebooks and their solutions from notebooks/source and executes them in place; ONLY=06 for one of them.
notebooks: .venv/installed
	$(BIN)/python -m hazelnut_ae.course.build
	$(BIN)/hazelnut-ae tutorial --out notebooks --figures figures --solutions $(if $(ONLY),--only $(ONLY))

# Writes hazelnut_ae/shipped/README.md from the numbers beside it.
numbers: .venv/installed
	$(BIN)/python -m hazelnut_ae.shipped

# One folder and one zip from which laptops install without a network; PIP="…" hands options to pip download.
classroom: .venv/installed
	$(BIN)/python -m hazelnut_ae.course.classroom $(or $(OUT),classroom) $(if $(PIP),-- $(PIP))

# The course as a web site with its playground, in book/_build/html. Needs npm (of Node.js) the first time, for MathJax and
# onnxruntime-web as book/package-lock.json names them; nothing is executed.
book: .venv/book
	$(BIN)/python book/build.py

# A deck of slides for each notebook, in slides/, and as PDF where there is a Chromium.
slides: .venv/book
	$(BIN)/python book/slides.py

.venv/book: .venv/installed
	$(BIN)/python -m pip install --quiet --editable ".[book]"
	@touch .venv/book

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.venv/installed: pyproject.toml
	@echo "Building .venv with everything that pyproject.toml lists; this takes a few minutes, once."
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[test]"
	@touch .venv/installed

clean:
	rm -rf .venv runs slides book/node_modules book/pages book/_extra book/_build
