"""Fan-out jobs: take a chunk, make its calls, record the outcomes. Everything in the worker about jobs and their recipients is here."""
