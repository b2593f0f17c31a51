"""Fan-out jobs for producers and operators: start, feed, show, pause, resume, cancel. Nothing here opens a file of recipients."""
