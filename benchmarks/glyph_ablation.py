"""Ablation of glyph-32's settings: purity and diversity of samples by number of training images.

    python -m benchmarks.glyph_ablation STORE --recogniser FILE --out DIR [--only base,eq8]

One run per variant, all with the same seed; FILE is a recogniser trained on the real store. Writes
DIR/curves.json with the scores of every snapshot. Variants run at the same time, so their seconds
do not compare with a run that has the machine to itself; numbers of images do.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.options import make_parser, split_names
from benchmarks.provenance import precision_name, provenance
from hwgen.compute.devices import pick_device
from hwgen.io.json_files import write_json
from hwgen.runs import Run

SMALL_G = [
    "generator.start=[192, 4]",
    'generator.stages=[{"channels":96,"kernel":3,"stride":2},{"channels":48,"kernel":3,"stride":2},'
    '{"channels":24,"kernel":3,"stride":2},{"channels":1,"kernel":3,"stride":1}]',
]
SMALL_D = [
    'discriminator.stages=[{"channels":32,"kernel":4,"stride":2},'
    '{"channels":64,"kernel":4,"stride":2},{"channels":128,"kernel":4,"stride":2},'
    '{"channels":128,"kernel":3,"stride":1}]',
]
# glyph-32 at the time of the committed results; every variant is a change to this.
BASE = [
    "generator.start=[256, 4]",
    'generator.stages=[{"channels":128,"kernel":3,"stride":2},'
    '{"channels":64,"kernel":3,"stride":2},{"channels":32,"kernel":3,"stride":2},'
    '{"channels":1,"kernel":3,"stride":1}]',
    'discriminator.stages=[{"channels":48,"kernel":4,"stride":2},'
    '{"channels":96,"kernel":4,"stride":2},{"channels":192,"kernel":4,"stride":2},'
    '{"channels":192,"kernel":3,"stride":1}]',
    "optimizer.lr_g=3e-4",
    "optimizer.lr_d=3e-4",
    "batch=64",
    "r1_gamma=0.02",
]
VARIANTS: dict[str, list[str]] = {
    "base": [],
    "small-g": SMALL_G,
    "small": [*SMALL_G, *SMALL_D],
    "batch-32": ["batch=32"],
    "small-batch-32": [*SMALL_G, *SMALL_D, "batch=32"],
    "lr-6e-4": ["optimizer.lr_g=6e-4", "optimizer.lr_d=6e-4"],
    "translate-2": ["translate=2"],
    "r1-0.1": ["r1_gamma=0.1"],
    "no-r1": ["r1_gamma=0"],
    "eq8": ["loss.a=-1", "loss.b=1", "loss.c=0"],
    "init-normal": ["init=normal"],
    "label-sd-1": ["generator.label_sd=1", "discriminator.label_sd=1"],
    "concat": ["discriminator.label=concat"],
    "no-ema": ["ema=0"],
}

# Second round: combinations of what learnt faster in the first.
LR_6E4 = ["optimizer.lr_g=6e-4", "optimizer.lr_d=6e-4", "r1_gamma=0.1"]
LR_1E3 = ["optimizer.lr_g=1e-3", "optimizer.lr_d=1e-3", "r1_gamma=0.1"]
SMALL_32 = [*SMALL_G, *SMALL_D, "batch=32"]
CONCAT = ["discriminator.label=concat"]
VARIANTS |= {
    "2a-lr6": LR_6E4,
    "2b-lr10": LR_1E3,
    "2c-lr10-batch32": [*LR_1E3, "batch=32"],
    "2d-lr6-batch32": [*LR_6E4, "batch=32"],
    "2e-lr6-small32": [*LR_6E4, *SMALL_32],
    "2f-lr10-small32": [*LR_1E3, *SMALL_32],
    "2g-lr6-small32-concat64": [*LR_6E4, *SMALL_32, *CONCAT, "discriminator.label_dim=64"],
    "2h-lr6-small32-concat256": [*LR_6E4, *SMALL_32, *CONCAT],
    "2i-lr10-small": [*LR_1E3, *SMALL_G, *SMALL_D],
    "2j-lr6-12-small32": [*SMALL_32, *LR_6E4, "optimizer.lr_d=1.2e-3"],
    "2k-lr6-small32-r1-0.3": [*SMALL_32, *LR_6E4, "r1_gamma=0.3"],
    "2l-lr10-small32-concat64": [*LR_1E3, *SMALL_32, *CONCAT, "discriminator.label_dim=64"],
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("--recogniser", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--preset", default="glyph-32")
    parser.add_argument("--images", type=int, default=704_000, help="training images per variant")
    parser.add_argument("--every", type=int, default=64_000, help="images between snapshots")
    parser.add_argument("--only", default=",".join(VARIANTS), help="variants, comma-separated")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    names = split_names(parser, options.only, "variant", VARIANTS)
    running = {}
    for name in names:
        command = [sys.executable, "-m", "hwgen_cli", "train", str(options.store)]
        command += ["--out", str(options.out / name), "--preset", options.preset]
        command += ["--images", str(options.images), "--snapshot-every", str(options.every)]
        command += ["--recogniser", str(options.recogniser)]
        for change in BASE + VARIANTS[name]:
            command += ["--set", change]
        log = open(options.out / f"{name}.log", "w")  # noqa: SIM115
        running[name] = subprocess.Popen(command, stdout=log, stderr=log)
    failed = [name for name, process in running.items() if process.wait() != 0]
    curves: dict[str, dict[str, Any]] = {}
    for name in names:
        if name not in failed:
            entries = Run(options.out / name).read_log()
            curves[name] = {
                "changes": VARIANTS[name],
                "scores": [e for e in entries if "purity" in e],
                "losses": [e for e in entries if "loss_d" in e][::20],
            }
            last = curves[name]["scores"][-1]
            print(f"{name:16s} purity {last['purity']:.3f} diversity {last['diversity']:.3f}")
    device = pick_device("auto")
    result = {
        **provenance(__file__, arguments, device=device, precision=precision_name("auto", device)),
        "preset": options.preset,
        "images": options.images,
        "failed": failed,
        "curves": curves,
    }
    write_json(options.out / "curves.json", result)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
