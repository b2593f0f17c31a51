"""Checks and reads request bodies, by the API's reference alone. Nothing here imports wooshq's own models."""
