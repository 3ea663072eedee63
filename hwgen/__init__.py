"""hwgen: from GNT files to labelled synthetic Chinese characters. Importing it imports no torch."""

__version__ = "0.1.0"
