"""The outbox of an app's own database: PostgreSQL, MariaDB and SQLite. A server that is missing is skipped with one line."""
