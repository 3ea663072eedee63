"""Human study: forced choice between two sets of pictures; a page to vote on, and the tally."""
