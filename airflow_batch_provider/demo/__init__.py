"""See it work: real handwriting, a real Airflow, the emulator, no cloud account."""
