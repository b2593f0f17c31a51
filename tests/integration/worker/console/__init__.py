"""The HTTP API over real HTTP: a server in a thread, on a real Redis."""
