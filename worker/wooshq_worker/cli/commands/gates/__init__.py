"""The commands for what holds messages back: gates, pauses, limits, and what people changed."""
