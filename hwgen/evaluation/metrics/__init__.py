"""What judges a synthetic set."""
