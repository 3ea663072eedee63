#!/usr/bin/env bash
# Runs entries of benchmarks.gpu, one after the other, on a machine with one GPU and no network.
#   run.sh smoke INPUT WORK OUT COMMIT   prepares, tests CUDA graphs, and measures the speed: minutes
#   run.sh full  INPUT WORK OUT COMMIT   runs ENTRIES; rerun it to resume what has not been finished
# INPUT holds pot.tar.xz, graphics.txt and whl/ (wheels that the machine lacks). To resume on another
# machine, add the *.json and models.tar.* that OUT got. From the environment:
#   ENTRIES   entries with options, separated by ";"
#   LIMIT     seconds for everything together; a stopped entry keeps its results
#   KEEP      not empty: OUT gets models.tar.*, the refiners without what is needed to resume them
set -u
mode=$1 input=$2 work=$3 out=$4 commit=$5
export PYTHONUNBUFFERED=1 PYTHONPATH=/tmp/hwgen-site${PYTHONPATH:+:$PYTHONPATH}
python=${PYTHON:-python3} limit=${LIMIT:-540}
entries=${ENTRIES:-reference; unseen --seen 2755}
say() { echo "=== $* ($SECONDS s)"; }
gpu() { "$python" -m benchmarks.gpu "$@" --work "$work" --out "$out" --commit "$commit"; }

mkdir -p "$work/data" "$work/results" "$out"
exec > >(tee -a "$out/run.log") 2>&1
if [ -d "$input/whl" ] && [ ! -d /tmp/hwgen-site ]; then
  "$python" -m pip install -q --no-index --no-deps --no-compile --target /tmp/hwgen-site "$input"/whl/*.whl
fi
if [ ! -d "$work/data/pot" ]; then
  tar xJf "$input/pot.tar.xz" -C "$work/data" && cp "$input/graphics.txt" "$work/data/"
  cp "$input"/*.json "$work/results/" 2>/dev/null
  [ -e "$input/models.tar.00" ] && cat "$input"/models.tar.* | tar x -C "$work"
  say unpacked
fi

if [ "$mode" = smoke ]; then
  nvidia-smi --query-gpu=name,driver_version --format=csv,noheader
  timeout 120 "$python" -m pytest tests/generators/adversarial -k cuda -q -p no:cacheprovider -W ignore 2>&1 | tail -8
  say "tests of CUDA graphs"
  gpu prepare; say prepared
  gpu speed; say speed
  entries="unseen --seen 500 --name smoke --recogniser-steps 100 --set images=12800"
fi
IFS=';' read -ra list <<< "$entries"
for entry in "${list[@]}"; do
  [ -n "${entry// /}" ] || continue
  left=$((limit - SECONDS))
  if ((left < 5)); then say "not begun: $entry"; continue; fi
  gpu $entry --seconds $left; say "$entry"
done

if [ -n "${KEEP:-}" ]; then
  (cd "$work" && for run in refiners/*; do
    ls "$run"/{run.json,log.jsonl,strokes.safetensors} && ls "$run"/weights/* | tail -1
  done; ls judge.pt) 2>/dev/null > "$work/kept.txt"
  tar c -C "$work" -T "$work/kept.txt" | split -b 15m -d - "$out/models.tar."
fi
ls -la "$out"
