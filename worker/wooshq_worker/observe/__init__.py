"""What operators see, and what they must not: log events, Sentry, scrubbing. Everything in the worker may use it; it uses nothing there."""
