"""`--recogniser`: what reads images, and a warning where it reads none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hwgen_cli.output import print_lines

if TYPE_CHECKING:
    import torch

    from hwgen.generators.samplers import Sampler
    from hwgen.recogniser.reader import Reader
    from hwgen.store import Store


def open_reader(file: Path, device: torch.device, real: Store, *, quiet: bool = False) -> Reader:
    """A recogniser, or an ONNX classifier; a warning says if it hardly reads a real store."""
    from hwgen.recogniser.doubt import doubt_of_store
    from hwgen.recogniser.loading import load_reader

    reader = load_reader(file, device)
    reader.check(real.size, real.channels)
    if not quiet and (text := doubt_of_store(reader, real)):
        print_lines(f"warning: {file}: {text}", stderr=True)
    return reader


def warn_of_doubt(
    file: Path, reader: Reader, sampler: Sampler, class_ids: Sequence[int] | None
) -> None:
    """Warn if a reader hardly reads a generator's samples; it has their classes."""
    import numpy as np

    from hwgen.recogniser.class_mapping import map_classes
    from hwgen.recogniser.doubt import SAMPLES, doubt

    ids = np.array(range(len(sampler.charset)) if class_ids is None else class_ids)
    count = min(SAMPLES, 8 * len(ids))
    chosen = np.sort(ids[np.arange(count) * len(ids) // count])
    images = sampler.sample(chosen, np.arange(count), seed=0)
    labels = map_classes(reader, sampler.charset, class_ids)[chosen]
    if text := doubt(reader, images, labels, "samples of the generator"):
        print_lines(f"warning: {file}: {text}", stderr=True)
