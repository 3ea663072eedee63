"""Training of a generator against a discriminator, whatever the kind of generator."""
