"""Orders, and what their users hear of them."""
