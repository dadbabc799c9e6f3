"""Notice tokens, and the charge of a notice."""
