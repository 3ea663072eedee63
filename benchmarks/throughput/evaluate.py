"""`hwgen evaluate` of a synthetic set of full size: seconds and peak memory.

    python -m benchmarks.throughput.evaluate SYNTHETIC --real TRAIN --real-test TEST \
        --recogniser FILE --out benchmarks/results/throughput-DATE-HARDWARE

Legibility, variety, distance to real samples and near-copies of all samples, by a recogniser that
is trained already; run as a command, its start included.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.options import make_parser
from benchmarks.throughput.memory import peak
from hwgen.io.json_files import write_json
from hwgen.store import Store


def main(arguments: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("synthetic", type=Path)
    parser.add_argument("--real", type=Path, required=True)
    parser.add_argument("--real-test", type=Path, required=True)
    parser.add_argument("--recogniser", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    stores = {"synthetic": options.synthetic}
    stores |= {"real": options.real, "real_test": options.real_test}
    with tempfile.TemporaryDirectory() as scratch:
        words = (
            *(options.synthetic, "--real", options.real, "--real-test", options.real_test),
            *("--recogniser", options.recogniser, "--out", Path(scratch) / "out"),
        )
        row = peak("evaluate", words)
    row["images"] = {name: len(Store(path)) for name, path in stores.items()}
    from benchmarks.provenance import provenance  # imports torch, see memory.py

    options.out.mkdir(parents=True, exist_ok=True)
    write_json(options.out / "evaluate.json", {**provenance(__file__, arguments), "rows": [row]})
    print(f"{row['command']}: {row['peak_mib']:,} MiB, {row['seconds']} s, {row['images']}")


if __name__ == "__main__":
    main()
