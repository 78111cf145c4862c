"""Fine-tuning a model on ratings or questions."""
