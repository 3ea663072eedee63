"""Classifiers of the user, in ONNX files, as readers."""
