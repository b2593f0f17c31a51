"""The pages about dead letters: causes, lists of letters, one letter; and Fix and replay: a recipe, its plan, a replay from start to end."""
