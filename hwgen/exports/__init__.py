"""Stores to what others read."""
