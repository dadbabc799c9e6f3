"""Training of the CTR model: where clicks come from, how a network is fitted and calibrated, how good it is."""
