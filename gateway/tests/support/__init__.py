"""What the tests share: bytes on the wire, raw upstreams, running gateways, sample services."""
