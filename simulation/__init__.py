"""Markets with known truth, logged auctions held again, bidders of the literature, and an exchange in a box."""
