"""Compact execution: suppressed channels are neither computed nor stored. docs/compact.md explains it.

lower, lower_graph: a network to a Program of operations; static: the same work without gates; CompactNetwork: a Program in
TensorFlow. Adding a layer type is adding a rule to lower_weighted or lower_plain; an operation, a class to program and a
function to each backend: emit_weighted or emit_plain, onnx, static and native/operations.
"""

from mayo.net.tf.compact import emit_plain, emit_weighted, lower_plain, lower_weighted
from mayo.net.tf.compact.lower import lower, lower_graph, unsupported
from mayo.net.tf.compact.network import CompactNetwork
from mayo.net.tf.compact.program import Program
from mayo.net.tf.compact.static import static

__all__ = [
    'CompactNetwork',
    'Program',
    'emit_plain',
    'emit_weighted',
    'lower',
    'lower_graph',
    'lower_plain',
    'lower_weighted',
    'static',
    'unsupported',
]
