"""The commands of `manage.py`: wooshq, wooshq_relay, wooshq_outbox, wooshq_fanout, wooshq_worker."""
