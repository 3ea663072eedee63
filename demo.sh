#!/usr/bin/env bash
# The whole chain on simulated handwriting, with the commands for real handwriting.
#
#   make demo               24 characters, under 10 minutes on 2 cores
#   make demo DEMO=small    8 characters; checks that everything runs, the samples are not legible
#
# Each command is printed before it runs. Rerun the script to resume it.
set -euo pipefail
cd "$(dirname "$0")"

case "${1:-full}" in
  full)  classes=24 writers=60 images=72000 every=12000 per_class=50 steps=75 seeds=3 ;;
  small) classes=8  writers=12 images=3200  every=1600  per_class=10 steps=20  seeds=1 ;;
  *) echo "demo.sh: expected full or small, found '$1'" >&2; exit 2 ;;
esac
out=demo-out/${1:-full}

# run COMMAND...: print the command and run it.
run() { printf '\n$ %s\n' "$*"; "$@"; }

# once FILE COMMAND...: run the command unless FILE exists, which a finished run writes.
once() {
  if [ -e "$1" ]; then printf '\n$ %s\n(already done)\n' "${*:2}"; else run "${@:2}"; fi
}

mkdir -p "$out"
echo "Simulated handwriting: this shows that the chain works, and says nothing about real handwriting."

# Raw files, one per writer. Test writers differ from training writers.
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

# A recogniser, which scores the snapshots of the generator.
run hwgen benchmark --train "$out/train" --test "$out/test" --out "$out/benchmark" \
  --steps $steps --seeds $seeds

# A generator, and samples of it.
run hwgen train "$out/train" --preset glyph-32 --out "$out/run" --images $images \
  --snapshot-every $every --recogniser "$out/benchmark/recogniser-real-seed0.safetensors"
once "$out/synthetic/manifest.json" \
  hwgen synthesize "$out/run" --out "$out/synthetic" --per-class $per_class \
  --sheet "$out/synthetic.png"

# Do synthetic samples help the recogniser? Those trained on real samples are done already.
run hwgen benchmark --train "$out/train" --test "$out/test" --out "$out/benchmark" \
  --synthetic "$out/synthetic" --steps $steps --seeds $seeds

run hwgen report "$out/run" "$out/benchmark" "$out/train" "$out/test" "$out/synthetic" \
  --out "$out/report.html"
printf '\nThe report: %s\n' "$PWD/$out/report.html"
