"""The process beside a worker: it writes the history, and delivers events to the world outside, so that sending has the worker for itself."""
