"""Fan-out jobs for producers and operators: start, feed, show, pause, resume, cancel. Knows no file of recipients but its rows."""
