"""Models: features, observations, click and win rates, artefacts, and the registry."""
