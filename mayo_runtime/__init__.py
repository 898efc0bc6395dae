"""Runs compact networks without TensorFlow: the engine, in C, and the programs that it runs. Needs NumPy only."""
