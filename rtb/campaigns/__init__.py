"""Campaigns, their creatives, and emergency stops."""
