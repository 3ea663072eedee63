"""What draws samples of a class: GANs, and learnt deformations of real samples."""
