"""A seeded market simulator with known truth: who is shown what, at which price, and who would click."""
