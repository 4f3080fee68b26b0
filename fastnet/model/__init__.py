"""What was trained and answers: one network, an ensemble, and their file."""
