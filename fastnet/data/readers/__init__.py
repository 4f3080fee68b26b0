"""Files of samples: one module per format."""
