"""Loading and checking of protocols: files, overrides, published values, search spaces and objectives."""
