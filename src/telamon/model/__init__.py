"""Frozen values and enums that every layer may speak of. No I/O, no clock."""
