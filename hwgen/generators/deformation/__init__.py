"""How writers vary a character, learnt from pairs of samples, and lent to other samples."""
