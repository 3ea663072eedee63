"""Readers of raw files, which yield Records with labels as text; simulation/ writes GNT files."""
