"""Floor 5: densities for each layer instead of one for all."""

from mayo.search.overlay import overlay
from mayo.search.sensitivity import Sensitivity, measure
from mayo.search.space import Space
from mayo.search.study import Goal, Outcome, Trial, search

__all__ = ['Goal', 'Outcome', 'Sensitivity', 'Space', 'Trial', 'measure', 'overlay', 'search']
