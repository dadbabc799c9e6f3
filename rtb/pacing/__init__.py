"""How fast each campaign spends: the pacing table, and what it is made of."""
