"""The example tests, one file for each group of the contract's sentences."""
