# `make lab` opens the course, `make test` proves it; both set up .venv first and reuse it afterwards.

# glibc gives large blocks back and pays for them again at each step; these two settings train 1.4 times as fast.
export MALLOC_MMAP_THRESHOLD_ = 2147483648
export MALLOC_TRIM_THRESHOLD_ = 17179869184
# Threads that wait spin less: as fast alone, and two notebooks that work side by side take 4 times as long, not 100 times.
export GOMP_SPINCOUNT = 5000
# Settings of JupyterLab that the course brings: no news prompt, no look-ups outside.
export JUPYTER_CONFIG_PATH = $(CURDIR)/tools/jupyter
export JUPYTER_PREFER_ENV_PATH = 1

LAB_FOLDER = $(CURDIR)
IN_VENV = .venv/bin/python
FIRST = $(firstword $(wildcard notebooks/00_*.ipynb) $(wildcard notebooks/01_*.ipynb))

.PHONY: lab test test-newer test-browser slides site pdf handout bench check setup lock

lab: setup  ## set up, then open the course in JupyterLab
	@PATH="$(CURDIR)/.venv/bin:$$PATH" $(IN_VENV) -m jupyterlab --ip=127.0.0.1 $(if $(filter 0,$(shell id -u)),--allow-root) \
	  --ServerApp.root_dir="$(LAB_FOLDER)" --LabApp.default_url=/lab/tree/$(FIRST) $(LAB_OPTIONS)

test: check  ## everything that proves the course, but for the browser
	$(IN_VENV) -m pytest tests
	PYTHONPATH=tests/offline $(IN_VENV) -m pytest --nbval --nbval-sanitize-with tests/nbval.cfg notebooks

# Alone on the machine threads may wait awake, each on its core.
ALONE = env -u GOMP_SPINCOUNT OMP_PROC_BIND=true

# Huge pages spare the processor many look-ups.
recipe: setup  ## make a checkpoint anew: make recipe RUN="multi30k_transformer en-de"
	@test -n "$(RUN)" || { echo 'Name a recipe: make recipe RUN="multi30k_transformer en-de"' >&2; exit 2; }
	$(ALONE) GLIBC_TUNABLES=glibc.malloc.hugetlb=1 $(IN_VENV) -m recipes.$(RUN)

test-newer: setup  ## the package and two notebooks on Python 3.13, where there is one
	$(IN_VENV) -m tools.newer

test-browser: setup  ## JupyterLab, every page and every slide in a real browser; needs chromium and npm
	$(IN_VENV) -m pytest tests/browser

slides: setup  ## a deck for each notebook, in _site/slides; needs npm the first time
	$(IN_VENV) -m tools.slides

site: slides .venv/site/complete  ## the course as pages, in _site, with the decks
	PYTHONPATH=.venv/site $(IN_VENV) -m tools.site

.venv/site/complete: requirements-site.lock | setup
	@$(IN_VENV) -m pip --version >/dev/null 2>&1 || $(IN_VENV) -m ensurepip
	@rm -rf .venv/site
	$(IN_VENV) -m pip install --quiet --no-deps --target .venv/site -r requirements-site.lock
	@touch $@

pdf: setup .venv/site/complete  ## the site, and each deck and page as a PDF; needs chromium
	$(IN_VENV) -m tools.slides --pdf
	PYTHONPATH=.venv/site $(IN_VENV) -m tools.site --pdf

handout: setup  ## the course for a class, in build/handout, and an answer book
	$(IN_VENV) -m tools.handout

bench: setup  ## side by side with d2l, torch's modules and transformers; writes benchmarks/RESULTS.md; a part alone: RUN=bert
	@test -d build/bench || ( $(IN_VENV) -m pip --version >/dev/null 2>&1 || $(IN_VENV) -m ensurepip; \
	  $(IN_VENV) -m pip install --quiet --no-deps --target build/bench d2l==1.0.3 torchvision==0.18.1 pandas==2.2.3 pytz==2025.2 )
	$(ALONE) PYTHONPATH=build/bench:. $(IN_VENV) -m benchmarks.run $(RUN)

check: setup  ## style and freshness of what is generated
	$(IN_VENV) -m ruff check .
	$(IN_VENV) -m ruff format --check .
	$(IN_VENV) -m tools.quote --check

# The first of these that starts and is new enough; without one uv, where it is, brings Python 3.12.
setup:
	@for python in $(or $(PYTHON),python3.11 python3.12 python3.13 python3.14 python3 python); do \
	  $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null \
	    && exec $$python tools/setup.py; \
	done; \
	$(if $(PYTHON),,if command -v uv >/dev/null && uv python install 3.12; then \
	  exec "$$(uv python find --managed-python 3.12)" tools/setup.py; \
	fi;) \
	echo "This course needs Python 3.11 to 3.14, and $(if $(PYTHON),$(PYTHON) is none of them,there is none on the PATH and no uv to bring one)." \
	     "Install one, or name it: make $(or $(MAKECMDGOALS),lab) PYTHON=/path/to/python3.11" >&2; \
	exit 1

lock:  ## after a change in pyproject.toml; needs uv
	uv lock --upgrade
	uv export --frozen --no-emit-project --no-header --no-annotate --no-hashes -o requirements.lock
	uv export --frozen --no-emit-project --no-header --no-annotate --no-hashes --only-group site \
	  | grep -vxFf requirements.lock > requirements-site.lock
	rm uv.lock
