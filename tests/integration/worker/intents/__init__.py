"""Tests of intents that real workers send."""
