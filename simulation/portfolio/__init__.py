"""The parts of `pipelines.simulate_portfolio`: made-up markets, who shares out money in them, what it came to."""
