"""Measures wooshq, and compares it with simpler ways to send. Every module with `run` is a section of docs/benchmarks.md."""
