"""Labelled images of lines of text, composed of images of single characters."""
