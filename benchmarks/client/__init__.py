"""The HTTP clients that a worker could use: each makes the same calls over TLS 1.3, and the CPU of its process is measured."""
