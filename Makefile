# `make demo` and `make test` do everything on a fresh machine with Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: setup demo lab test lint bench catalogs docs pictures dist clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(READY)

demo: $(READY)
	$(BIN)/python -m tests.sample_class.demo demo $(STUDENTS)

lab: $(READY)
	$(BIN)/autograder lab

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: lint
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist worksteal

bench: $(READY)
	$(BIN)/python -m tests.bench.jail
	$(BIN)/python -m tests.bench.speed

catalogs: $(READY)
	$(BIN)/pybabel extract --no-location --sort-output -F pyproject.toml -k _ -o autograder/locale/autograder.pot autograder
	$(BIN)/pybabel update --no-fuzzy-matching -D autograder -i autograder/locale/autograder.pot -d autograder/locale
	$(BIN)/pybabel compile -D autograder -d autograder/locale

# The site, in build/site. Everything that it shows is in the repository or read from the code.
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --config-file docs/site/mkdocs.yml

# The pictures of README and site, taken of real pages in Chromium and of what commands really print.
pictures: $(READY)
	$(BIN)/python -m tests.docs.pictures docs/pictures

dist: $(READY)
	$(BIN)/python -m build --no-isolation --outdir build/dist

clean:
	rm -rf $(VENV) demo build *.egg-info
