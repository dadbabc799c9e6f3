"""The auction: from a batch of impressions to priced bids."""
