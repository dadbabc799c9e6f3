"""Targeting: which campaigns and creatives are eligible for an impression."""
