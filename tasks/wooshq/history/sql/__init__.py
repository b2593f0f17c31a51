"""The history in SQLite and PostgreSQL: its tables, how records are written, found and removed. Only these modules need SQLAlchemy."""
