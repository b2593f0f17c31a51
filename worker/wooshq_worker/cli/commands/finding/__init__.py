"""The commands that find messages: by a query, by id, and those that somebody may have got twice."""
