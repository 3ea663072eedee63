"""Human study: a page of forced choices between two sets of images, and the tally of votes."""
