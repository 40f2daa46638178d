"""What the end-to-end tests share: deployments, clients, and the contract as tables."""
