"""One call of the Pushwoosh API: transport, verdict, retries, gates."""
