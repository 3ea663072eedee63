"""The recogniser that comes with hwgen, from a file of `hwgen benchmark`.

    hwgen prepare-strokes --out sim --classes 3755 --num-writers 100 --size 32
    hwgen prepare-strokes --out sim-test --classes 3755 --num-writers 3 --first-writer 101 --size 32
    hwgen benchmark --train sim --test sim-test --recogniser-preset light --steps 20000 --seeds 1 \
        --out pretrained
    python -m benchmarks.pack_recogniser pretrained/recogniser-real-seed0.safetensors \
        hwgen/recogniser/built_in/simulated.safetensors

Matrices and convolutions become float16, which halves the file. It is checked on simulated
characters of a hand that it has not seen: no probability may change by more than 0.01.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from hwgen.generators.simulated.sampling import SimulatedSampler
from hwgen.imaging.framing import Framing
from hwgen.recogniser.inference import Recogniser
from hwgen.sources.strokes.choice import stroke_data

MOST = 0.01


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recogniser", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args(argv)
    device = torch.device("cpu")
    full = Recogniser.load(options.recogniser, device)
    packed = Recogniser.load(options.recogniser, device)
    for parameter in packed.network.parameters():
        if parameter.ndim > 1:
            parameter.data = parameter.data.half()
    packed.save(options.out)
    framing = Framing(full.recipe.size)
    images = SimulatedSampler(stroke_data(), full.charset, framing=framing, hand=999).sample(
        list(full.charset)
    )
    found = Recogniser.load(options.out, device).read(images)
    most = float(np.abs(found - full.read(images)).max())
    if most > MOST:
        raise SystemExit(f"a probability changed by {most:.3f}")
    kib = options.out.stat().st_size / 1024
    print(f"{len(full.charset):,} classes, {kib:,.0f} KiB, probabilities within {most:.4f}")


if __name__ == "__main__":
    main()
