"""What is learnt from the training rows and travels with the model."""
