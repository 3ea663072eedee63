#!/usr/bin/env bash
# Runs benchmarks.gpu on a machine with one GPU: `smoke` takes a minute or two, `full` runs all
# entries at the same time.
#   run.sh smoke INPUT WORK OUT COMMIT
#   run.sh full  INPUT WORK OUT COMMIT
# INPUT holds pot.tar.xz, graphics.txt and whl/ (wheels that the machine lacks). The options of the
# entries come from the environment: REFINED, BASELINES, PAPER.
set -u
mode=$1 input=$2 work=$3 out=$4 commit=$5
export PYTHONUNBUFFERED=1 OMP_NUM_THREADS=2 PYTHONPATH=/tmp/hwgen-site
say() { echo "=== $* ($SECONDS s)"; }
gpu() { python3 -m benchmarks.gpu "$@" --work "$work" --out "$out" --commit "$commit"; }
mkdir -p "$out"

if [ ! -d "$work/data/pot" ]; then
  python3 -m pip install -q --no-index --no-deps --no-compile --target /tmp/hwgen-site "$input"/whl/*.whl
  mkdir -p "$work/data"
  tar xJf "$input/pot.tar.xz" -C "$work/data" && cp "$input/graphics.txt" "$work/data/"
  say unpacked
fi
if [ "$mode" = smoke ]; then
  python3 -m benchmarks.gpu prepare --data "$work/data" --work "$work" || exit 1
  say prepared
  nvidia-smi --query-gpu=name,driver_version --format=csv,noheader
  (timeout 60 python3 -m pytest tests/generators/adversarial -k cuda -q -p no:cacheprovider -W ignore 2>&1 | tail -8) &
  python3 -m benchmarks.gpu baselines --work "$work" --out "$work/smoke" --recogniser-seconds 8 2>&1 | tail -12
  wait; say "recogniser and tests"
  python3 -m benchmarks.gpu refined --work "$work" --out "$work/smoke" --refiner-seconds 12 --recogniser-seconds 4 2>&1 | tail -12
  say refiner
  python3 -m benchmarks.gpu paper-hwdb --work "$work" --out "$work/smoke" --judge-seconds 3 --paper-seconds 12 --snapshot-steps 1000 2>&1 | tail -12
  say paper-hwdb
  rm -rf "$work/paper-hwdb"
  cp "$work"/refined-unseen.png "$work"/smoke/*.json "$out/" 2>/dev/null
  exit 0
fi
timeout 120 python3 -m benchmarks.gpu steps --work "$work" --out "$out" --commit "$commit" 2>&1 | tail -20
say steps
rm -f "$work/judge64.pt"
gpu refined $REFINED > "$out/refined.log" 2>&1 &
gpu baselines $BASELINES > "$out/baselines.log" 2>&1 &
gpu paper-hwdb $PAPER > "$out/paper-hwdb.log" 2>&1 &
wait
say "all entries"
tail -n 4 "$out"/*.log
# Few and small files: the machine limits what is copied back.
cp "$work"/judge64.pt "$work"/refiner64.pt "$out/" 2>/dev/null
tar czf "$out/images.tar.gz" -C "$work" refined-unseen.png refined-sample.npz $(cd "$work" && ls paper-hwdb-*.png) prepare.json 2>/dev/null
tar czf "$out/logs.tar.gz" -C "$out" $(cd "$out" && ls *.log) && rm -f "$out"/*.log
ls -la "$out"
