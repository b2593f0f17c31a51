"""Tests of the overview's rules: pure, with what was seen made up."""
