"""Dead letters: one file for each thing that can be done with them."""
