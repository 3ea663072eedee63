"""Deformation models: learn from pairs of samples how writing varies, deform other samples."""
