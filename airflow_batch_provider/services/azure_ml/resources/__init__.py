"""What a batch endpoint is made of, created, changed, listed and deleted by REST."""
