"""wooshq's queue beside others: other frameworks, Celery's pools, the version before, one worker beside two, one by one beside batches."""
