"""Messages are found, and what holds them back is explained."""
