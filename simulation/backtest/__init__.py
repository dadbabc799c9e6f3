"""The parts of `pipelines.backtest`: jobs, figures, reports."""
