# Two commands do all set-up: `make run` shows defects found, `make test` passes the tests.
# Each builds .venv on first use. PYTHON=python3.12 make run picks another Python (3.10 or newer).

PYTHON ?= python3
BIN := .venv/bin

.PHONY: run lab test lint clean
.DEFAULT_GOAL := run

# The main job, in the commands that you can also type yourself. Notebook 09 fits four more systems, which takes longer:
# it stays for `make lab`. HAZELNUT_DATA=folder make run takes your own images.
run: .venv/installed
	@set -e; PATH="$(CURDIR)/$(BIN):$$PATH"; \
	data="$${HAZELNUT_DATA:-data/synthetic_hazelnuts}"; run="runs/$$(basename "$$data")-quick"; \
	if [ -z "$$HAZELNUT_DATA" ]; then hazelnut-ae synthesize "$$data"; fi; \
	hazelnut-ae train "$$data" --run "$$run" --resume; \
	hazelnut-ae evaluate "$$data" --run "$$run"; \
	hazelnut-ae figures "$$data" --run "$$run" --out "$${HAZELNUT_FIGURES:-figures}"; \
	hazelnut-ae tutorial --preset quick --data "$$data" --run "$$run" --out tutorial \
		--only 01,02,03,04,05,06,07,08; \
	echo "Pictures: $${HAZELNUT_FIGURES:-figures}. The run: $$run. The notebooks, executed: tutorial."

lab: .venv/installed
	$(BIN)/jupyter lab notebooks

test: lint
	$(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist worksteal

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
	rm -rf .venv runs
