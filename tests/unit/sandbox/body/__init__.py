"""Tests of how the sandbox checks a request body."""
