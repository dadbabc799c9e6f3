"""Strangers' dates, files and machines: reported problems of users, and variations, tried on this platform."""
