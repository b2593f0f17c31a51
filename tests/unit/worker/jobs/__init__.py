"""Tests of how a worker plans, splits and judges the calls of a job."""
