"""Models and what goes into them: features, observations, click and win rates, artefacts, the registry."""
