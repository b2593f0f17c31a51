"""Tests of logs and scrubbing."""
