"""Training of a GAN, see hwgen.generators.adversarial.training."""

from hwgen.generators.adversarial.training import train

__all__ = ["train"]
