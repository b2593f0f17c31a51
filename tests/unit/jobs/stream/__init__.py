"""Tests of what is noticed in a stream of recipients."""
