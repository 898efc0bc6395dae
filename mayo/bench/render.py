"""What `bench` found, as a table for people and as JSON for machines."""

import dataclasses
import itertools
import json
import math
import textwrap
from collections.abc import Callable, Iterator, Sequence

from mayo.bench.record import Bench, Group, Measurement
from mayo.util.format import count, fit, percent, size, table

WIDE = 10_000  # what a pipe takes
Cell = Callable[[Measurement, int], str]

# header: the cell, of a measurement and the dense multiply-accumulates
COLUMNS: dict[str, Cell] = {
    'ms': lambda measurement, dense: milliseconds(measurement.seconds.median),
    'p5': lambda measurement, dense: milliseconds(measurement.seconds.p5),
    'p95': lambda measurement, dense: milliseconds(measurement.seconds.p95),
    'images/s': lambda measurement, dense: digits(measurement.images_per_second),
    'speedup': lambda measurement, dense: times(measurement.speedup),
    'of same': lambda measurement, dense: times(measurement.of_dense),
    'of static': lambda measurement, dense: times(measurement.of_static),
    'MACs': lambda measurement, dense: times(measurement.macs and measurement.macs / dense, ''),
    'effic.': lambda measurement, dense: times(measurement.efficiency, ''),
    'memory': lambda measurement, dense: size(measurement.peak_bytes).replace(' ', ''),
}
LEFT_OUT = ((), ('p5',), ('p5', 'p95'), ('p5', 'p95', 'memory'))  # the fuller table first


def render(bench: Bench, format: str = 'table', width: int | None = None) -> str:
    """`bench` as text. format: table or json; width: of the screen in columns, None for any."""
    return as_json(bench) if format == 'json' else as_table(bench, width)


def as_json(bench: Bench) -> str:
    """Everything, seconds and bytes; what there is nothing to compare with is null."""
    return json.dumps(dataclasses.asdict(bench), indent=2)


def as_table(bench: Bench, width: int | None = None) -> str:
    """A table for each group, what its columns mean, and the notes."""
    precisions = list(dict.fromkeys(timed.precision for group in bench.groups for timed in group.measurements)) or ['float32']
    never = ('of same',) if len(precisions) == 1 else ()
    layouts = [[column for column in COLUMNS if column not in (*absent, *never)] for absent in LEFT_OUT]
    texts: list[list[str]] = [[_layout(group, columns) for group in bench.groups] for columns in layouts]
    fitting = next((tables for tables in texts if all(fit(text, width) for text in tables)), texts[-1])
    head = f'{bench.model} on {"x".join(map(str, bench.input_shape))}, {bench.weights}, {" and ".join(precisions)}, {bench.threads} threads'
    parts = [_wrapped(head, width)]
    for group, text in zip(bench.groups, fitting, strict=True):
        parts.append(f'{_wrapped(title(group), width)}\n\n{text}')
        parts += _layer_tables(group)
    parts.append(_legend(bench, width, never))
    parts += [_wrapped(f'note: {note}', width, '      ') for note in bench.notes]
    return '\n\n'.join(parts)


def title(group: Group) -> str:
    """What was measured, in a line."""
    parts = [f'batch {group.batch_size}']
    if group.density is not None:
        parts.append(f'density {group.density:g}')
    compact = group.fastest('compact')
    if compact and compact.macs:
        parts.append(
            f'{count(compact.macs)} of {count(group.dense_macs)} MACs executed ({group.dense_macs / compact.macs:.2f}x fewer)'
        )
    if group.mask_change is not None:
        parts.append(f'{percent(group.mask_change, 1)} of active channels change from image to image')
    return ', '.join(parts)


def _layout(group: Group, columns: Sequence[str]) -> str:
    rows = [
        [measurement.label, *(COLUMNS[column](measurement, group.dense_macs) for column in columns)]
        for measurement in group.measurements
    ]
    return table(['', *columns], rows)


def _layer_tables(group: Group) -> Iterator[str]:
    """A table for each mode whose layers were timed."""
    for label, rows in itertools.groupby(group.layers, lambda row: row.label):
        layers = list(rows)
        macs, seconds = sum(row.macs for row in layers), sum(row.seconds for row in layers)
        cells = [[row.layer, *_layer_cells(row.macs, row.seconds, seconds)] for row in layers]
        header = [label, 'ms', 'of all', 'MACs', 'GMAC/s']
        yield table(header, cells, footer=[['all layers, one image', *_layer_cells(macs, seconds, seconds)]])


def _layer_cells(macs: int, seconds: float, total: float) -> list[str]:
    rate = digits(macs / seconds / 1e9) if macs and seconds else '-'
    return [milliseconds(seconds), percent(seconds / total, 1) if total else '-', count(macs) if macs else '-', rate]


def _legend(bench: Bench, width: int | None, absent: Sequence[str]) -> str:
    calls = min((measurement.seconds.calls for group in bench.groups for measurement in group.measurements), default=0)
    lines = {
        'ms': f'median of a batch, of {calls} calls or more; p5, p95: percentiles',
        'speedup': 'time of the best dense engine / time',
        'of same': 'time of the best dense engine of the same precision / time',
        'of static': 'time of the best static engine / time; static: the same widths without gates',
        'MACs': 'executed / dense',
        'effic.': 'speedup x MACs; 1: each multiply-accumulate saved has saved its time',
        'memory': 'peak of a process that does nothing else',
    }
    return '\n'.join(_wrapped(f'{name:<11}{text}', width, ' ' * 11) for name, text in lines.items() if name not in absent)


def _wrapped(text: str, width: int | None, indent: str = '') -> str:
    return textwrap.fill(text, width or WIDE, subsequent_indent=indent, break_long_words=False)


def milliseconds(seconds: float) -> str:
    """A time in milliseconds, three digits of it.

    >>> milliseconds(0.0525), milliseconds(0.000123)
    ('52.5', '0.123')
    """
    return digits(1000 * seconds)


def digits(number: float) -> str:
    """Three digits, or all of a whole part that has more.

    >>> digits(52.51), digits(1234.5), digits(0.5), digits(9.999)
    ('52.5', '1234', '0.500', '10.0')
    """
    if number <= 0:
        return '0'
    rounded = float(f'{number:.3g}')
    return f'{number:.{max(0, 2 - math.floor(math.log10(rounded)))}f}'


def times(ratio: float | None, unit: str = 'x') -> str:
    """How many times as fast, with its unit; a dash if that is not known.

    >>> times(2.654), times(None)
    ('2.65x', '-')
    """
    return '-' if ratio is None else f'{ratio:.2f}{unit}'
