"""Tests of what a body of API 1.3 becomes."""
