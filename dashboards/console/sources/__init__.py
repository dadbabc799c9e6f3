"""Sources of figures: the API, the events' files, Prometheus, and the console's own samples."""
