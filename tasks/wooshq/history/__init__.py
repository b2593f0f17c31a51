"""The history: what has ended, kept in SQL so that it can be searched. Needs SQLAlchemy; nothing here asks Redis."""
