"""The intent: its models, the rules between its fields, how its exact form is stored, and how it is parsed, migrated and loaded (`door`)."""
