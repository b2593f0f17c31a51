"""Recipients files: reading whom a fan-out goes to, row by row."""
