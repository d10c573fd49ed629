#!/usr/bin/env bash
# What needs a CUDA device: both encodings with the three networks at 512 px, and AASCE with HRNet-W32.
# Every run resumes where it was stopped and is skipped once judged, so the script can be called again
# until it is done. Results land beside it as JSON; then run `python benchmarks/tables.py`.
#
#   bash benchmarks/gpu/run.sh OUT [AASCE_FOLDER]
set -euo pipefail

out=${1:?usage: run.sh OUT [AASCE_FOLDER]}
aasce=${2:-}
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$(dirname "$here")")
export PYTHONUNBUFFERED=1

nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
python "$root/benchmarks/encoding.py" --help > /dev/null  # everything imports before the clock starts

for network in hrnet_w32 unet resnet50; do
  for codec in set slots-top slots-bottom; do
    python "$root/benchmarks/encoding.py" --out "$out" --codec "$codec" --device cuda \
      --recipe "$root/recipes/phantom-gpu.yaml" --set "model.name=$network" \
      --json "$here/encoding-$network.json"
  done
done

if [ -n "$aasce" ]; then
  python "$root/benchmarks/aasce.py" "$aasce" --out "$out/aasce" --device cuda \
    --recipe "$root/recipes/aasce.yaml" --json "$here/aasce.json"
fi
