"""Tests of pauses, limits and the history of changes, with real workers."""
