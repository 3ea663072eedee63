"""Simulated handwriting: strokes varied by rules, written as GNT files."""
