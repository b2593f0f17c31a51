"""Tests of the template of a fan-out: how it is parsed and sent, and its texts as a recipient reads them."""
