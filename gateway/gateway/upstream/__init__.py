"""The upstream side: the replicas of a service and the connections to them."""
