"""Whether a trained model may take the champion's place: see `publish`."""
