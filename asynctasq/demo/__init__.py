"""A demonstration that does real work: an index of the identifiers in real source trees."""
