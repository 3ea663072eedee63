"""Metrics of sets of samples: arithmetic on arrays, without stores or networks."""
