"""Training of the CTR model: sources of clicks, fitting, calibration, metrics."""
