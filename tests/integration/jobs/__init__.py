"""Tests of jobs with real workers: feeding, packing, refusals, holding, roll-outs."""
