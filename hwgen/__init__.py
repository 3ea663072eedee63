"""hwgen: from GNT files to labelled synthetic Chinese characters. Importing it imports no torch."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("hwgen")
except PackageNotFoundError:  # run from a checkout that was not installed
    __version__ = "0+unknown"
