"""The image, what it is made of, and what it does."""
