"""The client's side: HTTP/1.1 connections with limits, and the server that accepts them."""
