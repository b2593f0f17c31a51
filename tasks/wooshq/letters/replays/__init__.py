"""Replays of dead letters: planned, started, and carried out page by page, with brakes. One file for each step."""
