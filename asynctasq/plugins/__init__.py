"""Finding and loading other people's code."""
