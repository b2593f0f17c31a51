"""Tests of the keeper's duties."""
