"""How an experiment's figures are shown."""
