"""Background duties: every worker runs the keeper, which brings back what is due, what lost workers held, and what the broker lost."""
