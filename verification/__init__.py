"""Programs that prove the platform from outside. They are not in the wheel, and nothing imports them."""
