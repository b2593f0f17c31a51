"""Single messages in a worker: claim, render, admit, deliver, settle. Also intents from `wooshq.submit`. Nothing here knows about jobs."""
