"""A catalogue of wrong drivers, each of which the suite must catch."""
