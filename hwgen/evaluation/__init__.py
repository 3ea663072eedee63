"""Evaluation of a synthetic set: legibility, variety, distance from real characters, copies."""
