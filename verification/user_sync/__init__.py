"""User sync in a real browser: publishers, a Prebid Server and the platform, each on a host of its own with TLS."""
