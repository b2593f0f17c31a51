"""Messages are accepted: one by one, gathered into few round trips, and as a stream of lines."""
