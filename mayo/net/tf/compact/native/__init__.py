"""The compact network in C: the weights of the channels that won are read where they lie."""

from mayo.net.tf.compact.native.network import BUILD, NativeNetwork, instruction_sets, library
from mayo.net.tf.compact.native.plan import unsupported

__all__ = ['BUILD', 'NativeNetwork', 'instruction_sets', 'library', 'unsupported']
