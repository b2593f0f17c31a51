"""Fan-out jobs: one message to many recipients."""
