"""The inventory of a request: impressions, their slots, floors and blocks."""
