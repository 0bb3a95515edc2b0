"""How a task is written, named and called."""
