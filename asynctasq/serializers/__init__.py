"""Serializers: values to bytes and back."""
