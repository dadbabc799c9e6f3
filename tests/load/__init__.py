"""Users who load a platform, with Locust: `python -m tests.load`, or Locust itself on `locustfile.py`."""
