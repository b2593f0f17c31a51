"""Tests of the filter of dead letters."""
