"""One call of the Pushwoosh API: make it, judge its outcome, retry it shortly, shut gates. Knows no intent and no job."""
