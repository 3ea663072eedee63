"""Simulated handwriting as the generator of a lift: the baseline of generators that refine it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwgen.errors import StoreError
from hwgen.experiments.lift.generators import Progress, Stop
from hwgen.experiments.lift.strokes import StrokeFile, stroke_settings
from hwgen.imaging.framing import Framing
from hwgen.prepare import prepare_strokes
from hwgen.progress import Control
from hwgen.record import check_channels
from hwgen.schema import check_same
from hwgen.store import Store, is_store, remove_leftovers
from hwgen.store.origin import framing as framing_of


@dataclass(frozen=True)
class SimulatedGenerator:
    """Simulated handwriting of a trial's classes, framed as its real samples; no training.

    Attributes:
        strokes: of the characters.
    """

    strokes: StrokeFile

    @property
    def settings(self) -> Mapping[str, Any]:
        """See Generator."""
        return {"kind": "simulated", **stroke_settings(self.strokes)}

    @property
    def trained_before(self) -> bool:
        """See Generator."""
        return True

    @property
    def trained_on(self) -> frozenset[str]:
        """See Generator."""
        return frozenset()

    @property
    def seen(self) -> frozenset[str]:
        """See Generator."""
        return frozenset()

    def works_without_real(self, *, others: bool) -> bool:
        """See Generator."""
        return True

    def cost(self, run: Path, seed: int) -> Mapping[str, Any]:
        """See Generator."""
        return {"images": 0, "seconds": 0.0}

    def check(self, real: Store, run: Path, *, seed: int) -> None:
        """See Generator."""
        check_channels(1, real.channels, "simulated handwriting")

    def __call__(
        self,
        real: Store,
        run: Path,
        out: Path,
        *,
        amount: int,
        seed: int,
        progress: Progress,
        stop: Stop,
    ) -> Store | None:
        """See Generator; each of `amount` writers writes every character once."""
        framing = _framing(real)
        if is_store(out):
            wanted = {"writers": [1, amount], "seed": seed, "framing": framing.to_json()}
            origin = Store(out).manifest.origin
            check_same(
                {name: origin.get(name) for name in wanted},
                wanted,
                "this store was made",
                where=str(out),
            )
            remove_leftovers(out)
            return Store(out)
        control = Control(lambda done, total, _: progress("simulation", done / total), stop)
        try:
            prepare_strokes(
                self.strokes.data,
                out,
                charset=real.charset,
                writers=range(1, amount + 1),
                framing=framing,
                seed=seed,
                control=control,
            )
        except StoreError:
            if stop():
                return None
            raise
        return Store(out)


def _framing(real: Store) -> Framing:
    """That of the real samples, as far as known."""
    known = framing_of(real.manifest.origin)
    stretch, margin = known.get("stretch") is True, known.get("margin")
    return Framing(real.size, stretch, margin if isinstance(margin, int) and not stretch else -1)
