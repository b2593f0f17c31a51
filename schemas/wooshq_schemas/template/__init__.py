"""The template of a fan-out: its class (`model`), how it comes in (`door`), its texts, and how it becomes an intent (`addressing`)."""
