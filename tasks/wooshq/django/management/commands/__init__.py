"""The commands of `manage.py`: wooshq_relay, wooshq_outbox, wooshq_fanout, wooshq_worker."""
