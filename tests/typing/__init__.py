"""The public types, as a user writes them; type checkers read this, and nothing runs it."""
