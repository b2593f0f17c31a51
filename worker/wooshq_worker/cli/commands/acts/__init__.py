"""The commands that act on single messages: cancel, send again, try now."""
