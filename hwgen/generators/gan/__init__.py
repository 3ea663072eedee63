"""GANs, conditional and unconditional: presets, the generator, sampling."""
