"""Tests of the sandbox over a real socket."""
