"""What the whole platform serves: over HTTP, through the real ingress, with everything a request costs."""
