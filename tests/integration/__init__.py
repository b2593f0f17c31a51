"""Tests of several modules together, with a real Redis, and real worker processes where they matter."""
