"""Tests of wooshq in web frameworks, and in the servers that run them."""
