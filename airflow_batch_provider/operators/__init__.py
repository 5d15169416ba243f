"""Operators: submit a job, wait for it, return it."""
