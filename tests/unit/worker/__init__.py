"""Tests of the worker's rooms, a folder each."""
