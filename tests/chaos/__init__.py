"""Tests that kill processes or take the API away, and then count what was lost or doubled."""
