"""Measurements that need a GPU, as one list that is run in one go where a GPU appears."""
