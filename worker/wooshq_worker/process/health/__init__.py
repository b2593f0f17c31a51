"""Is this worker well? What it notices about itself, its Redis and its machine, at its start and while it runs."""
