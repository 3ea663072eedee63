"""Fuzzing: mutated inputs for every parser of untrusted files."""
