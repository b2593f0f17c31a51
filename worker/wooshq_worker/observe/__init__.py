"""What operators see: log events, Sentry."""
