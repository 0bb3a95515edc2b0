"""The event sinks that come with the core. They are found by entry point, like any other."""
