"""Tests of the command line's parts: tables, filters, help."""
