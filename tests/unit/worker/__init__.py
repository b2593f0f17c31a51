"""Tests of the worker's folders, a folder each."""
