"""Single intents for producers and operators: accept, follow, cancel, count, lint. Each call is described here, and carried out by a client."""
