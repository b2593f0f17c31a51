"""What wooshq does in SQL databases: the outbox and the history."""
