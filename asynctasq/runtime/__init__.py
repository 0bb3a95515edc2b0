"""How tasks move, free of any backend."""
