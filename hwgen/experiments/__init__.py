"""Experiments on the accuracy that synthetic samples add: benchmark and lift."""
