"""Intents: what is needed to accept, follow or send single messages."""
