"""Helpers for the tests of every part."""
