"""How the configuration is found and put together. Applications import `asynctasq.config`."""
