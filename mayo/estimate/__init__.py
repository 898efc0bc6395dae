"""Floor 2: what a network costs, in plain Python: shapes, parameters, multiply-accumulates and sparsity."""

from mayo.estimate.cost import Cost, Spread, active_channels, estimate, executed_each, executed_spread, shapes

__all__ = ['Cost', 'Spread', 'active_channels', 'estimate', 'executed_each', 'executed_spread', 'shapes']
