"""The container image: its contents and its checks."""
