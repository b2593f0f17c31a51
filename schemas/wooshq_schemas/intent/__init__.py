"""The intent: its models (`model`), the rules between its fields (`rules`), and the functions that parse, migrate and load it (`door`)."""
