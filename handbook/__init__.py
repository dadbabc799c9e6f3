"""What makes the site of `docs/`: references written by the code itself, and the drawings."""
