"""The calls of the HTTP API, one file for each noun. Each reads its arguments, calls the Python API and answers."""
