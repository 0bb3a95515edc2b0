"""A model of the queue, and a machine that plays random programs against a driver and the model."""
