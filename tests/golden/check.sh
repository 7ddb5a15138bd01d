#!/usr/bin/env bash
# The quick golden files, in one process of one thread: before every commit. The rest is tests/golden/test_golden.py.
set -euo pipefail
cd "$(dirname "$0")/../.."
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false
# The environment of `make setup`, in a worktree that of its main checkout; PYTHON names another.
for environment in "$PWD/.venv" "$(git rev-parse --path-format=absolute --git-common-dir)/../.venv"; do
  if [ -z "${PYTHON:-}" ] && [ -x "$environment/bin/python" ]; then PYTHON=$environment/bin/python; fi
done
exec "${PYTHON:-python3}" tests/golden/make.py --check
