"""The suites of the smaller plugins: serializers and event sinks."""
