"""Floor 2: a network as a graph of named layers, without TensorFlow."""

from mayo.net.graph import Graph, Node, build_graph

__all__ = ['Graph', 'Node', 'build_graph']
