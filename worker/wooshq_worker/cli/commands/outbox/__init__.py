"""The commands for the outbox of an app's database: the relay, what operators do with rows, and the spool of a machine."""
