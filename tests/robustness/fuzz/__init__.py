"""How a stranger's files end: mutated inputs for every parser, and what each of them did."""
