"""Tests of accepting intents."""
