"""Callers' own connections, one module per client library. Each is imported when such a connection comes along."""
