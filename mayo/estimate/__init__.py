"""Floor 2: what a network costs, in plain Python: shapes, parameters, multiply-accumulates and sparsity."""

from mayo.estimate.cost import Cost, estimate, shapes

__all__ = ['Cost', 'estimate', 'shapes']
