"""Programs that test the platform from outside. They are not in the wheel, and nothing imports them."""
