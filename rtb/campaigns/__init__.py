"""Campaigns and their creatives, and who is to bid no more."""
