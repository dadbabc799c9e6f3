"""Programs of others that Raybid is held against, from npm: what a page, a player and a consent manager run."""
