"""The intent: its models, the rules between its fields, and the door through which it comes in."""
