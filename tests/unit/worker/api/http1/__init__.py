"""Tests of the HTTP/1.1 client without a network. How it meets real servers: tests/integration/worker/api."""
