"""Helpers of the end-to-end tests: deployments, clients, and the contract as tables."""
