"""Devices, distributed processes, tensors on disk and fast convolutions."""
