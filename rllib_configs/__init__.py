"""The bidding environment and one file per reinforcement-learning algorithm, each a readable RLlib configuration."""
