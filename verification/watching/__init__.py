"""A real Prometheus and Alertmanager beside a platform, and the queries to them."""
