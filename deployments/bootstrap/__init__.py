"""Building the parts of a process: each is handed what it needs."""
