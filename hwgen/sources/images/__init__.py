"""Labelled images as other people keep them, read lazily: one module a format, and `find`."""
