"""Ray Serve deployments: thin wrappers around the stages of `rtb`, composed in `app.py`."""
