#!/usr/bin/env bash
# The whole chain on simulated handwriting, with the commands one would use on real handwriting.
#
#   make demo               24 characters, under 10 minutes on 2 cores
#   make demo DEMO=small    8 characters, a test that everything runs; nothing becomes legible
#
# Each command is printed before it runs. After an interruption the same command goes on.
set -euo pipefail
cd "$(dirname "$0")"

case "${1:-full}" in
  full)  classes=24 writers=60 images=72000 every=12000 per_class=50 steps=75 seeds=3 ;;
  small) classes=8  writers=12 images=3200  every=1600  per_class=10 steps=20  seeds=1 ;;
  *) echo "demo.sh: '$1' is neither full nor small" >&2; exit 2 ;;
esac
out=demo-out/${1:-full}

# run COMMAND...: print it, run it.
run() { printf '\n$ %s\n' "$*"; "$@"; }

# once FILE COMMAND...: run it, unless a whole earlier run left FILE.
once() {
  if [ -e "$1" ]; then printf '\n$ %s\n(done before)\n' "${*:2}"; else run "${@:2}"; fi
}

mkdir -p "$out"
echo "Simulated handwriting, not data: this shows that the chain works, and nothing about real hands."

# Raw files, one a writer; the test writers are others than the training writers.
once "$out/train/manifest.json" \
  hwgen simulate --out "$out/train-writers" --classes $classes --num-writers $writers
once "$out/test/manifest.json" \
  hwgen simulate --out "$out/test-writers" --classes $classes --num-writers 20 \
  --first-writer $((writers + 1))

# Stores, with the same classes in the same order.
once "$out/train/manifest.json" \
  hwgen prepare-gnt "$out/train-writers" --out "$out/train"
once "$out/test/manifest.json" \
  hwgen prepare-gnt "$out/test-writers" --out "$out/test" --charset "$out/train"

# A recogniser trained on the real characters: the measure of the generator's snapshots.
run hwgen benchmark --train "$out/train" --test "$out/test" --out "$out/benchmark" \
  --steps $steps --seeds $seeds

# The generator, and characters of its own.
run hwgen train "$out/train" --preset glyph-32 --out "$out/run" --images $images --snapshot-every $every \
  --recogniser "$out/benchmark/recogniser-real-seed0.safetensors"
once "$out/synthetic/manifest.json" \
  hwgen synthesize "$out/run" --out "$out/synthetic" --per-class $per_class \
  --sheet "$out/synthetic.png"

# Do the synthetic characters help the recogniser? (The arm "real" is there already.)
run hwgen benchmark --train "$out/train" --test "$out/test" --out "$out/benchmark" \
  --synthetic "$out/synthetic" --steps $steps --seeds $seeds

run hwgen report "$out/run" "$out/benchmark" "$out/train" "$out/test" "$out/synthetic" \
  --out "$out/report.html"
printf '\nThe report: %s\n' "$PWD/$out/report.html"
