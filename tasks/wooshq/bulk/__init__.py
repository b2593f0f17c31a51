"""Fan-out: one template to a stream of recipients, cut into chunks that workers send, each person once."""
