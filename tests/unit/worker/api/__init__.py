"""Tests of one API call: what it may mean, and what follows from it."""
