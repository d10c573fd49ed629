#!/usr/bin/env bash
# Makes the networks that are published, spondyl-small and spondyl-base, from nothing: draws phantoms
# of both views on all cores, trains, calibrates in half precision on phantoms of other seeds,
# exports, judges, and makes the folders for a model hub.
#
#   bash benchmarks/gpu/shipped.sh OUT [AASCE_FOLDER]
#
# What is there is not made again and a training goes on where it was stopped, so the script can be
# killed and called again until it says "done". How long it takes on a CUDA device has not been
# measured: OUT/seconds.txt has each step, as far as the call went that ended it. Only the trainings,
# the calibrations and the last step use the device; with OUT, the rest can be done elsewhere.
#
#   FILMS=20000      phantoms of each view to train on
#   CALIBRATION=600  and of each view to calibrate on
#   JUDGED=40        and of each kind to judge on: judging is one step a network, and begins anew
#   LONG_SIDE=1024   of a phantom, px
#   DEVICE=cuda      of spondyl
#   SETTINGS=        for spondyl train, such as "--set model.pretrained=false" where there is no
#                    connection, or "--set training.epochs=3"
#
# OUT/NAME.safetensors and .onnx are the networks, OUT/hub/NAME what is uploaded. They are judged in
# a copy of the sources, OUT/judged, where they lie as if they had come with the package: its
# benchmarks/shipped.json, docs/model-card.md and docs/images are to be copied back.
set -euo pipefail

out=${1:?usage: shipped.sh OUT [AASCE_FOLDER]}
aasce=${2:-}
films=${FILMS:-20000} calibration=${CALIBRATION:-600} judged=${JUDGED:-40} side=${LONG_SIDE:-1024}
device=${DEVICE:-cuda}
read -ra settings <<< "${SETTINGS:-}"
chunk=100  # films that one process draws: what a kill loses is one chunk on each core
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$out"
out=$(cd "$out" && pwd)
export PYTHONUNBUFFERED=1 side

exec 9> "$out/.lock"  # what an earlier call has left running holds it, too
flock -n 9 || { echo "$out: an earlier call is still at work" >&2; exit 1; }

# step OUTPUT COMMAND...: nothing where OUTPUT is there; else it is what COMMAND prints, and its time
step() {
  local made=$1 began=$SECONDS
  shift
  [ ! -e "$made" ] || return 0
  "$@" > "$made.part"
  mv "$made.part" "$made"
  echo "$(basename "$made") $((SECONDS - began))" | tee -a "$out/seconds.txt"
}

# draw_one FOLDER VIEW SEED FILMS: films of one seed, each a group of its own among those of others
draw_one() {
  [ ! -d "$1" ] || return 0
  rm -rf "$1.part"
  OMP_NUM_THREADS=1 spondyl phantom "$1.part" --view "$2" --seed "$3" --films "$4" \
    --style rich --long-side "$side" > "$1.log" 2>&1 || { cat "$1.log" >&2; return 1; }
  sed -i "s/\"group\": \"phantom-/\"group\": \"$2-$3-/" "$1.part/annotations.json"
  mv "$1.part" "$1"
  rm "$1.log"
}
export -f draw_one

# draw FOLDER FILMS SEED: so many films of each view, in chunks, on all cores
draw() {
  mkdir -p "$1"
  for view in lateral ap; do
    for ((done = 0, seed = $3; done < $2; done += chunk, seed++)); do
      echo "$1/$view-$seed $view $seed $(($2 - done < chunk ? $2 - done : chunk))"
    done
  done | xargs -P "$(nproc)" -L 1 bash -ec 'draw_one "$@"' _
}

train() {
  local resume=()
  [ ! -e "$out/$1/last.ckpt" ] || resume=(--resume)
  spondyl train "$out/films" --recipe "$root/recipes/$1.yaml" --out "$out/$1" --device "$device" \
    "${settings[@]}" "${resume[@]}"
}

calibrate() {
  spondyl calibrate "$(tail -n 1 "$out/$1.trained")" "$out/calibration" --half --device "$device" --overwrite \
    --out "$out/$1.safetensors"
}

export_one() { spondyl export "$out/$1.safetensors" --overwrite --out "$out/$1.onnx"; }

# The copy in which both networks count as ones that come with the package: the code is that of this
# call, results and pages are those of earlier ones.
place() {
  local copy="$out/judged"
  mkdir -p "$copy"
  cp -R "$root/src" "$copy/"
  cp "$out"/spondyl-*.onnx "$copy/src/spondyl/weights/"
  if [ ! -e "$copy/docs" ]; then
    rm -rf "$copy"/{benchmarks,docs.part}
    cp -R "$root/benchmarks" "$copy/"
    cp -R "$root/docs" "$copy/docs.part"
    mv "$copy/docs.part" "$copy/docs"
  fi
  cp "$root"/benchmarks/*.py "$copy/benchmarks/"
}

judge() {
  local name=$1
  shift
  PYTHONPATH="$out/judged/src" python "$out/judged/benchmarks/shipped.py" --network "$name" "$@"
}

publish() {
  PYTHONPATH="$out/judged/src" python "$out/judged/benchmarks/hub.py" "$out/$1.safetensors" \
    --onnx "$out/$1.onnx" --out "$out/hub/$1"
}

step "$out/films.drawn" draw "$out/films" "$films" 10000
step "$out/calibration.drawn" draw "$out/calibration" "$calibration" 90000
for name in spondyl-small spondyl-base; do
  step "$out/$name.trained" train "$name"
  step "$out/$name.calibrated" calibrate "$name"
  step "$out/$name.exported" export_one "$name"
  place
  step "$out/$name.judged" judge "$name" --films "$judged" --run "$name=$out/$name"
  [ -z "$aasce" ] || step "$out/$name.judged-on-aasce" judge "$name" --aasce "$aasce" --only-real
  step "$out/$name.published" publish "$name"
done
if [ -n "$aasce" ]; then
  step "$out/phantom-to-real.measured" python "$root/benchmarks/phantom_to_real.py" "$aasce" \
    --out "$out/phantom-to-real" --json "$out/phantom-to-real.json" --device "$device"
fi
echo done
