"""Tests of what is decided about a single intent without Redis."""
