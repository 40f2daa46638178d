"""Helpers of all tests: bytes on the wire, raw upstreams, running gateways, sample services."""
