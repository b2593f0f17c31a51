"""Tests of API calls over a real socket, and of gates and rates."""
