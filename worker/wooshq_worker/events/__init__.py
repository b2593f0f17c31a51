"""Events for the world outside, in a worker: what has ended becomes events, and they are delivered to webhooks and to hooks of apps."""
