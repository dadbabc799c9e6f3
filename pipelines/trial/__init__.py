"""Display of an experiment's figures."""
