"""Spans of OpenTelemetry: what a worker and the console say about a send, and how it reaches a collector. Only imported if tracing is on."""
