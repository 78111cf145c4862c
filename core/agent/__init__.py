"""The agent of the ALM paper: tasks, demonstrations, model, training, evaluation."""
