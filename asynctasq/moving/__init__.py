"""Moving waiting tasks from one store to another."""
