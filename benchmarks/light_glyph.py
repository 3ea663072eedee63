"""Out: changes to the preset glyph-32 with which a core makes thousands of steps in minutes.

Half the width, batches of half the size, a shorter average: before some thousands of steps
nothing is legible, however few the classes.
"""

from __future__ import annotations

from collections.abc import Mapping

LIGHT_GLYPH: Mapping[str, str] = {
    "generator.start": "[96, 4]",
    "generator.stages": '[{"channels":48,"kernel":3,"stride":2},'
    '{"channels":24,"kernel":3,"stride":2},{"channels":16,"kernel":3,"stride":2},'
    '{"channels":1,"kernel":3,"stride":1}]',
    "discriminator.stages": '[{"channels":16,"kernel":4,"stride":2},'
    '{"channels":32,"kernel":4,"stride":2},{"channels":64,"kernel":4,"stride":2},'
    '{"channels":64,"kernel":3,"stride":1}]',
    "batch": "16",
    "ema": "0.995",
}
"""As hwgen.generators.gan.presets.change takes them."""
