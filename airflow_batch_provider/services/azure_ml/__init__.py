"""Azure Machine Learning: the wire contract of batch endpoints, as flows."""
