"""The worker process: Celery and its consumer, the engine's event loop beside it, start and end."""
