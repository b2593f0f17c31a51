"""Fan-out jobs: take a chunk, make its calls, record the outcomes. What the worker knows about jobs and their recipients lives here."""
