"""Floor 2: a network as a graph of named layers, without TensorFlow. graph.py has it; importing this alone costs nothing."""
