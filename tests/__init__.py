"""Tests, in folders that mirror those of the source; here at the top lives only what several folders share."""
