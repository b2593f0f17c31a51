"""What is noticed in a stream of recipients: who comes twice, what repeats, and which file it is."""
