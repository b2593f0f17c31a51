"""What an answer says in its body and headers, and who wrote it. Strangers wrote both, so nothing here raises or decides."""
