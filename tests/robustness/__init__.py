"""Damaged and untrusted input, killed processes, full disks, foreign locales, rare cases."""
