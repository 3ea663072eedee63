"""Synthetic stores from a generator: plan, sampling, filters, acceptance, provenance."""
