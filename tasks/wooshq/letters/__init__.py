"""Dead letters for operators: filter, find, edit, replay, discard; one file for each thing that can be done with them."""
