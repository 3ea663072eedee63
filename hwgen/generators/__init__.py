"""Generators: GANs, and models that deform real samples. base.py says what a generator is."""
