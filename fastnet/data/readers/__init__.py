"""Files of samples, one module a format."""
