"""How much synthetic characters raise a recogniser's accuracy, by the number of real ones."""
