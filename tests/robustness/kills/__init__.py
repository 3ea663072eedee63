"""What a kill -9 at any moment leaves, and how the same command then ends."""
