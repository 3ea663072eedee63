"""Devices, processes, tensors on disk and fast convolutions: what every network shares."""
