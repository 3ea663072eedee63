"""From raw files to a store, with a report that names every loss."""

from hwgen.prepare.casia import prepare_gnt, prepare_pot
from hwgen.prepare.images import prepare_images
from hwgen.prepare.options import PrepareOptions
from hwgen.prepare.report import REPORT_FILE, PrepareReport
from hwgen.prepare.strokes import prepare_strokes

__all__ = [
    "REPORT_FILE",
    "PrepareOptions",
    "PrepareReport",
    "prepare_gnt",
    "prepare_images",
    "prepare_pot",
    "prepare_strokes",
]
