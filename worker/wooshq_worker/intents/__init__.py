"""Single messages in a worker: claim, render, admit, deliver, settle. Intents that come as `wooshq.submit`. Knows no job."""
