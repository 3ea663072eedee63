"""Raw files to Records: labels are still text here, and no store is known."""
