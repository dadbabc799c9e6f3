"""From a batch of impressions to priced bids."""
