"""Dead letters for operators: filter, find, edit, replay, discard. One file for each action."""
