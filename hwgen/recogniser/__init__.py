"""A CNN that reads characters: network, augmentation, training, comparison. Knows no GAN."""
