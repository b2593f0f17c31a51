"""The worker process: Celery, the event loop beside it, start and stop."""
