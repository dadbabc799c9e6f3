"""Programs of others from npm and PyPI, as judges of what we read and write."""
