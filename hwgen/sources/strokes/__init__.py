"""Stroke data: the pen's path through each character, for simulation."""
