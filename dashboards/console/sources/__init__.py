"""Where figures come from: the API, the events' files, Prometheus, and what the console saw itself."""
