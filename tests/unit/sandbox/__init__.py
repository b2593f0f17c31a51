"""Tests of the sandbox's parts: tokens, faults, control, records."""
