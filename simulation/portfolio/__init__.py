"""The parts of `pipelines.simulate_portfolio`: simulated markets, the strategies in them, figures, reports."""
