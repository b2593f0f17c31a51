"""One call of the Pushwoosh API: make it, judge its outcome, retry it shortly, shut gates. Nothing here knows about intents or jobs."""
