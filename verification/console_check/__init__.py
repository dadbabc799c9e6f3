"""The operator's console in a real browser, beside a real platform under traffic."""
