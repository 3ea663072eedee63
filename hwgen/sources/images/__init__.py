"""Readers of labelled images in common formats: one module per format, and `find`."""
