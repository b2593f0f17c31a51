"""Bearer tokens of the HTTP API, by name: made, listed, revoked, recognised. Only their hashes are kept."""
