"""Tests of the spool's files, without a Redis."""
