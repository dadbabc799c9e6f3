"""Tables drawn: each function takes one and returns a figure, readable on a light ground and on a dark one."""
