"""Compact execution: suppressed channels are neither computed nor stored. docs/compact.md explains it.

lower: a network to a Program of operations; static: the same work without gates; CompactNetwork: a Program in TensorFlow.
"""
from mayo.net.tf.compact.lower import lower, lower_graph, unsupported
from mayo.net.tf.compact.network import CompactNetwork
from mayo.net.tf.compact.program import Program
from mayo.net.tf.compact.static import static

__all__ = ['CompactNetwork', 'Program', 'lower', 'lower_graph', 'static', 'unsupported']
