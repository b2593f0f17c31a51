"""The HTTP API without a server: who calls, how often, cursors, bodies, pointers."""
