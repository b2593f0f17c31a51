"""Log events and Sentry for operators, without secrets and personal data. All of the worker may import it; it imports nothing of the worker."""
