"""The commands for the outbox of an app's database: the relay, and what operators do with rows."""
