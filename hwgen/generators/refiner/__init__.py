"""Refiners: LSGANs that make simulated handwriting look real, for characters without samples."""
