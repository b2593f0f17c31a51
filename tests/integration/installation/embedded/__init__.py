"""The embedded Redis: shared, stopped, killed, started again."""
