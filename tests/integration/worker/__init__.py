"""Tests of the worker's folders with real processes and sockets, a folder each."""
