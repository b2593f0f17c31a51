"""Sending a fan-out: a worker takes chunks, makes their calls at once, and writes down who was reached."""
