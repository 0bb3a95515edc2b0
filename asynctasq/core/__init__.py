"""Import paths of older applications."""
