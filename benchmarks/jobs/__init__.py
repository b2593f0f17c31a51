"""The sections about jobs: what a fan-out costs, and what it survives."""
