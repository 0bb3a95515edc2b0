"""A TCP proxy that misbehaves on purpose."""
