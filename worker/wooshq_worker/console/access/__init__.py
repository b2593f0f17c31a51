"""Who may do what over HTTP: bearer tokens, their scopes, and how many requests a token may make. Nothing here knows a path."""
