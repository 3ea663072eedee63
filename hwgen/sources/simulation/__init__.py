"""Simulated pen handwriting: strokes, varied by rules, as GNT files."""
