"""The calls about events: webhooks, and the stream of events as they happen."""
