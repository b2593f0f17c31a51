"""One installation: where its Redis and broker are, and how to reach them."""
