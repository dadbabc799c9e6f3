"""Which campaigns and creatives an impression may be sold to."""
