"""The terminal: output, tables, progress bars, files, help."""
