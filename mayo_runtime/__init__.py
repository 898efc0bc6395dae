"""Runs networks of .mayo files, which `my ... export` of Mayo/FBS writes: NumPy and an engine in C, no TensorFlow.

import mayo_runtime
network = mayo_runtime.load('net.mayo')
for prediction in network.predict(['cat.jpg']):
    print(prediction.label, prediction.probability)
"""

from mayo_runtime.network import Last, Network, NetworkError, Prediction, load

__version__ = '0.1.0'

__all__ = ['Last', 'Network', 'NetworkError', 'Prediction', 'load']
