"""Tests of a job's parts on the producer's side: packing, duplicates, columns, rules."""
