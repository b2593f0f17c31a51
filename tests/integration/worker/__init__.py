"""Tests of the worker's rooms with real processes and sockets, a folder each."""
