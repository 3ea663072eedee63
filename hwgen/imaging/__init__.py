"""Images: framing, pen ink, warps, contact sheets. Knows no store."""
