"""The history: a SQL database of what has ended, written in batches and searched with the search language. Only what opens one needs SQLAlchemy."""
