"""Tests of the contract: intents, requests, answers, rendering."""
