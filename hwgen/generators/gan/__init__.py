"""Conditional GANs: networks, losses, steps, the training loop, sampling."""
