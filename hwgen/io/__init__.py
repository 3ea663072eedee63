"""Files: written whole or not at all, read within bounds, locked, and explained in errors."""
