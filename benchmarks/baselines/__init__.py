"""What wooshq is compared with: simpler ways to send the same messages."""
