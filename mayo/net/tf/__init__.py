"""Floor 3: the network in TensorFlow. Inside: gate, then layer, then network, then compact, then engines."""
