"""The history: records and how they are packed, and the databases that keep, find and remove them."""
