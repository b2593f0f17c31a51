"""The HTTP API and the web console (`wooshq console`). It has no rules of its own: it reads a request, calls the Python API, and writes the answer."""
