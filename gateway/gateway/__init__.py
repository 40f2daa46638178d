"""Inkwell's gateway: one entrance to all services."""
