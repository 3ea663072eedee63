"""Files: atomic writing, bounded reading, locks, and errors that say what to do."""
