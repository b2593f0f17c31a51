"""Input and output of a terminal: lines, tables, progress bars, files, help. Nothing here knows a command."""
