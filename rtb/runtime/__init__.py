"""Infrastructure of every process: settings, caches, text, child processes, HTTP calls, rate limits."""
