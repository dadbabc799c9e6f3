"""Charts: each function turns a table into a figure, readable in light and dark themes."""
