"""Floor 2: what a network costs, in plain Python: shapes, parameters, multiply-accumulates and sparsity."""

from mayo.estimate.cost import Cost, Spread, estimate, executed_spread, shapes

__all__ = ['Cost', 'Spread', 'estimate', 'executed_spread', 'shapes']
