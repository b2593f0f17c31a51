"""What holds messages back, for operators: pauses, gates, limits, and what people changed. Each call is described here."""
