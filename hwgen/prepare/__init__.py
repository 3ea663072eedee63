"""From raw files to a store, with a report that names every loss: one module a kind of file."""

from hwgen.prepare.casia import prepare_gnt, prepare_pot
from hwgen.prepare.images import prepare_images
from hwgen.prepare.report import REPORT_FILE, PrepareReport, Progress

__all__ = [
    "REPORT_FILE",
    "PrepareReport",
    "Progress",
    "prepare_gnt",
    "prepare_images",
    "prepare_pot",
]
