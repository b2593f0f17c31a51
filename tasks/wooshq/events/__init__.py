"""Events for the world outside: their names and bodies, webhooks (signed), hooks of apps, and who receives what. Not the stream of the history."""
