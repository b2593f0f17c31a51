"""Tests of a worker process: how it ends, and what it refuses."""
