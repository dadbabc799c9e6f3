"""The core of the bidder: types, money, models and maths. Imports neither Ray nor a web framework."""
