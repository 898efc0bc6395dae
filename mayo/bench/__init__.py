"""Floor 5: how long networks take, side by side: dense, masked, compact, static, exported, in every engine there is."""

from mayo.bench.latency import Plan, measure
from mayo.bench.modes import Mode, Subject
from mayo.bench.record import Bench, Group, Measurement, Timing
from mayo.bench.render import render

__all__ = ['Bench', 'Group', 'Measurement', 'Mode', 'Plan', 'Subject', 'Timing', 'measure', 'render']
