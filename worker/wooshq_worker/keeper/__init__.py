"""The keeper's background duties: publish retries that are due, take over intents of lost workers, publish ids that the broker lost."""
