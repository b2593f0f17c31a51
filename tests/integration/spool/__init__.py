"""Tests of the spool: a real Redis that goes and comes back, real files, processes that are killed."""
