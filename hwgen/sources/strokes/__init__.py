"""Stroke data: how characters are written, from which `simulated` writes them."""
