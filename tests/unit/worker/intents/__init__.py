"""Tests of how a worker renders and settles intents."""
