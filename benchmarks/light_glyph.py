"""Changes to the preset glyph-32 for CPU experiments: thousands of steps in minutes on one core.

Half the width, half the batch size and a shorter moving average. Samples become legible only after
some thousands of steps, even with few classes.
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
"""Argument of hwgen.generators.gan.presets.change."""
