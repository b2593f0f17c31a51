"""How data from outside is checked and how its problems are described: field types, checks, words. Nothing here knows what an intent is."""
