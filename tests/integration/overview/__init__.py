"""Tests of the overview: each finding made to happen, with real workers."""
