"""Events for the world outside: their vocabulary, signatures, and where webhooks may go."""
