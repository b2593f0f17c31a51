"""The commands for dead letters: list, show, edit, replay, discard, export, and what becomes of replays."""
