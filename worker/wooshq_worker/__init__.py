"""What runs and sends: claim, render, gate, deliver, settle; retries, the keeper, the command line."""
