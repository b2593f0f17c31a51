"""One installation in this process: where its Redis and its broker are, and how they are reached."""
