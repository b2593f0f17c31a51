"""The keeper: background duties that bring waiting work back, one duty a file."""
