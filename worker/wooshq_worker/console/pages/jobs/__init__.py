"""The pages of fan-out jobs: the list, and one job with its numbers, acts and files."""
