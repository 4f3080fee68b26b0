"""What is learnt from the training rows and stored with the model."""
