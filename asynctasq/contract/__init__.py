"""What a backend, a serializer and an event sink promise. No I/O, and no backend's name."""
