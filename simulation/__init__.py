"""Markets with known truth, replayed auction logs, bidders of the literature, and an exchange in a box."""
