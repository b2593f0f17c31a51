"""The template of a fan-out: its class (`model`), how it is parsed (`door`), its texts, and how it becomes an intent (`addressing`)."""
