"""Runs to what others read: a model folder with its card, and curves for TensorBoard."""

from hwgen.exports.runs.curves import export_curves
from hwgen.exports.runs.model import export_model

__all__ = ["export_curves", "export_model"]
