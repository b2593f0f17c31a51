"""Tests of what really leaves the process for Sentry."""
