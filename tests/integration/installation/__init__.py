"""Tests of where an installation lives: the embedded Redis, RabbitMQ, namespaces."""
