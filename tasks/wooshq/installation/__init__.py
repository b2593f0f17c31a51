"""One installation in this process: where its Redis and its broker are, and how to connect to them."""
