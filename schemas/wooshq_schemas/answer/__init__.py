"""What the API answers: the code that reads an answer, and models to write one. Nothing here decides what happens next."""
