"""Checks of data from outside, and the words for its problems. Nothing here knows what an intent is."""
