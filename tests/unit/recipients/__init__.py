"""Tests of how recipients are read from files."""
