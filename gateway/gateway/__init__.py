"""Inkwell's gateway: one door to all services."""
