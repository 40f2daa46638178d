"""The proxy: it sends a request to its upstream and the response back to the client."""
