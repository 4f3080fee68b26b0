"""What charts of a study show: its trials as columns, and statistics of them as plain values."""
