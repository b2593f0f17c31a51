"""What a query finds, and in which order."""
