"""What a request body must look like and what it says, from the API's reference alone. Nothing here imports wooshq's own models."""
