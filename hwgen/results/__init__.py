"""The result files of benchmark, lift and evaluate: one dataclass each, with load and save."""
