"""Tests of the faults that the sandbox can make."""
