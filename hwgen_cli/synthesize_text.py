"""`hwgen synthesize --text`: an image of a text instead of a store."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hwgen_cli.output import print_json, print_lines
from hwgen_cli.synthesize_options import HANDS

if TYPE_CHECKING:
    from hwgen.generators.samplers import Sampler


def check_options(
    text: str, of_stores: Mapping[str, object], hand: int | None, hands: int | None
) -> None:
    """Refuse options that have no effect with --text.

    Args:
        text: value of --text.
        of_stores: the other options and their values; None if not given.
        hand: value of --hand.
        hands: value of --hands.
    """
    from hwgen.errors import InputError

    if not text.split():
        raise InputError("--text is empty", remedy="Give characters, such as --text 永和九年")
    given = [name for name, value in of_stores.items() if value is not None]
    if given:
        raise InputError(
            f"--text writes one image and no store, so it excludes {', '.join(given)}",
            remedy="Leave out one or the other",
        )
    if hand is not None and hands is not None:
        raise InputError(
            "--hand is the number of one hand, --hands a number of hands",
            remedy="Leave out one of them",
        )


def write_image(
    sampler: Sampler,
    text: str,
    out: Path,
    *,
    hand: int | None,
    hands: int | None,
    seed: int,
    json: bool,
) -> None:
    """Write the image, and say so."""
    from hwgen.lines.text_images import write_text

    numbers = [*range(hands or HANDS)] if hand is None else [hand]
    written = write_text(sampler, text, out, hands=numbers, seed=seed)
    rows = "1 hand" if len(numbers) == 1 else f"{len(numbers)} hands"
    count = len("".join(written.lines).replace(" ", ""))
    characters = "1 character" if count == 1 else f"{count:,} characters"
    print_lines(f"{out}: {characters} in {rows}", stderr=True)
    if json:
        source = {"source": sampler.provenance, "simulated_marks": written.simulated_marks}
        text = "\n".join(written.lines)
        print_json({"image": str(out), "text": text, "hands": numbers, **source})
