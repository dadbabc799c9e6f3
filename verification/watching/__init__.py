"""A real Prometheus and Alertmanager beside a platform, and what they are asked."""
