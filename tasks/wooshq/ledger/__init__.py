"""The truth about every intent that was accepted and is not yet forgotten. The broker only carries ids."""
