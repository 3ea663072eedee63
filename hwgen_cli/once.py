"""Messages that one process of a torchrun prints for all of them."""

from __future__ import annotations

import os

from hwgen_cli.terminal import Console


def print_once(text: str) -> None:
    """Print markup on standard error, once for all processes of a torchrun."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        from hwgen.compute.distributed import first_to_say

        if not first_to_say("error"):
            return
    Console(stderr=True).print(text, soft_wrap=True, highlight=False)
