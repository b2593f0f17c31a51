"""Tests of cancelling a message that Pushwoosh holds: what each answer means, and what is recorded."""
