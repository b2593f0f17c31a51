"""Tests of the settings: the class, the `.env` file, a server's URL."""
