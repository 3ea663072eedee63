"""Training of a generator against a discriminator, whatever the kind of generator.

interface.py says what a kind provides. Importing recipe.py imports no torch.
"""

TRAINING_OPTIONS = frozenset(
    {"every", "loss", "score", "on_collapse", "precision", "cuda_graphs", "init_from"}
)
"""GeneratorKind.options of every kind that is trained here."""
