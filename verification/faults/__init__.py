"""Injected faults: false notices, killed processes; and the audit of the books afterwards."""
