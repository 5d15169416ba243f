"""What to ask each service and what its answers mean: pure, no I/O."""
