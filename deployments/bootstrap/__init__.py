"""Where the parts of a process are made: each is handed what it needs, and reaches for nothing else."""
