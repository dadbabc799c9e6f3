"""The parts of `pipelines.backtest`: what is played, what it came to, how it is shown."""
