"""What `asynctasq driver new` writes, as files in which the driver is called `acme`."""
