"""Amounts in micros, currencies, and account numbers."""
