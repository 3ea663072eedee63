"""Simulated handwriting as a generator that needs no training."""
