"""What `benchmarks/waiting.py` is made of: a service, triggers that wait for it, and what they cost."""
