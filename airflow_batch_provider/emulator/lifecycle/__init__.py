"""Creating, updating and deleting Azure ML resources by REST."""
