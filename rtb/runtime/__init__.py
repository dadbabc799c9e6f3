"""What every process needs, whatever it does: settings, bounds, text, child processes, calls, rate limits."""
