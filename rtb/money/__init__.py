"""Amounts in micros, currencies, and the numbers of accounts."""
