"""What a synthetic set is worth: read, compared with real characters, checked for copies."""
