"""The engine in C: the weights of the channels that won are read where they lie."""

from mayo_runtime.native.bindings import BUILD, SETS, Engine, instruction_sets, library, multiplies_bfloat16
from mayo_runtime.native.plan import unsupported

__all__ = ['BUILD', 'SETS', 'Engine', 'instruction_sets', 'library', 'multiplies_bfloat16', 'unsupported']
