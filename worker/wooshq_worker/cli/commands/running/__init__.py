"""The commands that run a process, or look after one: worker, demo, sandbox, doctor, health; the HTTP API and its tokens; webhooks."""
