"""Does what Mao et al. showed happen here too? A module an experiment."""
