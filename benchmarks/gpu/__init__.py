"""Measurements on one GPU, run together by run.sh."""
