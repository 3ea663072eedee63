"""Framing, pen ink, warps and contact sheets, independent of stores."""
