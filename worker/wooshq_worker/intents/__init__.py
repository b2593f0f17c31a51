"""Single messages in a worker: take, render, deliver, settle. Also intents from `wooshq.submit`. Nothing here knows about jobs."""
