"""Inspection of stores, runs, raw files and this machine."""
