"""The version of the plugin API that this core speaks.

A plugin carries the version that it was written for as a string literal. It fits if the major number is the same and
the minor number is not above the core's.
"""

API_VERSION = "1.0"
