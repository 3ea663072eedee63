"""Exports of runs: a model directory with its card, and curves for TensorBoard."""

from hwgen.exports.models.model import export_model
from hwgen.exports.models.tensorboard import export_curves

__all__ = ["export_curves", "export_model"]
