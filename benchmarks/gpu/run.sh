#!/usr/bin/env bash
# What needs a CUDA device: the three networks with all encodings at 512 px, and AASCE with HRNet-W32.
# Every run resumes where it was stopped and is skipped once judged, so the script can be called again
# until it is done. Results land beside it as JSON; then run `python benchmarks/tables.py`.
# The networks that are published are made by shipped.sh, beside it.
#
#   bash benchmarks/gpu/run.sh OUT [AASCE_FOLDER]
set -euo pipefail

out=${1:?usage: run.sh OUT [AASCE_FOLDER]}
aasce=${2:-}
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$(dirname "$here")")
export PYTHONUNBUFFERED=1

nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
python "$root/benchmarks/comparison.py" --help > /dev/null  # everything imports before the clock starts

# three networks x three encodings: 512 px, 100 epochs, 496 / 204 / 200 phantoms
python "$root/benchmarks/comparison.py" --out "$out/comparison" --device cuda \
  --recipe "$root/recipes/phantom-gpu.yaml" --json "$here/comparison.json"

if [ -n "$aasce" ]; then
  python "$root/benchmarks/aasce.py" "$aasce" --out "$out/aasce" --device cuda \
    --recipe "$root/recipes/aasce.yaml" --json "$here/aasce.json"
fi
