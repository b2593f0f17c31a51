"""Tests of the worker process: its consumer, lanes, watchdog."""
