"""A CNN that recognises characters: network, augmentation, training, inference."""
