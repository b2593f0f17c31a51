"""The web console in a real browser: every registered page, on an installation with real workers and messages in every state."""
