"""What a request offers: impressions, their slots, floors and blocks."""
