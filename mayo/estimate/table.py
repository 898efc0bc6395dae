"""What each layer of a network costs, as a table for people and as data for machines."""

import csv
import dataclasses
import io
import json
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from mayo.estimate.cost import Cost, Spread
from mayo.estimate.liveliness import Liveliness, mean_liveliness
from mayo.layers import Shape
from mayo.util.errors import UserError, did_you_mean
from mayo.util.format import count, fit, percent, short, size, table

Number = Callable[[int], str]
WIDE = 10_000  # what a pipe takes
SHARES = 'always/some/never'  # channels active for more than 95 % of the images, for some, for less than 5 %
SUMMED = ('trainable', 'state', 'gate_parameters', 'dense', 'macs', 'executed', 'gate_macs', 'activation_bytes', 'weight_bytes')


@dataclasses.dataclass(frozen=True)
class Info:
    """The costs of a model's layers for one image, in the order in which they run."""

    model: str
    input_shape: Shape
    layers: tuple[Cost, ...]
    images: int  # over which `eval` measured the densities; 0: taken from the configuration
    overriders: tuple[Mapping[str, Any], ...] = ()  # what overrides what, as mayo.override.table tells
    liveliness: Mapping[str, Liveliness] = dataclasses.field(default_factory=dict)  # by gated layer, measured by `eval`
    executed: Spread | None = None  # over those images

    @property
    def total(self) -> dict[str, int]:
        """The sum of each number over all layers."""
        return {key: sum(getattr(cost, key) for cost in self.layers) for key in SUMMED}

    @property
    def is_gated(self) -> bool:
        """Whether any layer has a gate."""
        return any(cost.density is not None for cost in self.layers)


def render(record: Info, format: str = 'table', width: int | None = None) -> str:
    """`record` as text. format: table, json, yaml or csv. width: of the screen; None, as for a pipe, is any."""
    if format not in FORMATS:
        hint = did_you_mean(format, FORMATS) or '.'
        raise UserError(f'info.format is {format}, expected {", ".join(FORMATS)}{hint}')
    return FORMATS[format](record, width)


def as_data(record: Info) -> dict[str, Any]:
    """Mappings, lists and numbers alone."""
    layers = [
        {**_fields(record, cost), 'source': list(cost.source.dims), 'shape': list(cost.shape.dims)} for cost in record.layers
    ]
    return {
        'model': record.model,
        'input_shape': list(record.input_shape.dims),
        'images': record.images,
        'total': record.total,
        'layers': layers,
        **({'executed': dataclasses.asdict(record.executed)} if record.executed else {}),
        **({'overriders': list(record.overriders)} if record.overriders else {}),
    }


def _csv(record: Info, width: int | None) -> str:
    """A line a layer. No totals, so that columns can be added up."""
    text = io.StringIO()
    kinds = (Cost, Liveliness) if record.liveliness else (Cost,)
    names = [field.name for kind in kinds for field in dataclasses.fields(kind)]
    writer = csv.DictWriter(text, names, lineterminator='\n')
    writer.writeheader()
    for cost in record.layers:
        writer.writerow({**_fields(record, cost), 'source': cost.source, 'shape': cost.shape})
    return text.getvalue().rstrip('\n')


def _fields(record: Info, cost: Cost) -> dict[str, Any]:
    """Of a layer: its costs, and where it was measured what its gate does."""
    layer = record.liveliness.get(cost.name)
    return {**dataclasses.asdict(cost), **(dataclasses.asdict(layer) if layer else {})}


def _table(record: Info, width: int | None) -> str:
    """The fullest layout that fits: exact numbers, else three digits, else without types, else without memory."""
    layouts = [
        _layout(record, count, size, types=True, memory=True),
        _layout(record, short, _tight, types=True, memory=True),
        _layout(record, short, _tight, types=False, memory=True),
        _layout(record, short, _tight, types=False, memory=False),
    ]
    layout = next((text for text in layouts if fit(text, width)), layouts[-1])
    return '\n\n'.join([_title(record, width), layout, _summary(record, width)])


def _layout(record: Info, number: Number, space: Number, types: bool, memory: bool) -> str:
    live = record.liveliness

    def cells(name: str, kind: str, shape: str, density: str, values: Mapping[str, int], gate: Liveliness | None) -> list[str]:
        parameters = values['trainable'] + values['state']
        numbers = [parameters, values['dense'], values['macs'], values['executed']]
        row = [
            name,
            kind,
            shape,
            *(number(figure) if figure else '-' for figure in numbers),
            density,
            *([f'{gate.turnover:.3f}' if gate else '-', gate.shares if gate else '-'] if live else []),
            space(values['activation_bytes']),
            space(values['weight_bytes']) if parameters else '-',
        ]
        return row[:1] + row[2 - types : -2] + (row[-2:] if memory else [])

    header = ['layer', 'type', 'output', 'params', 'dense', 'macs', 'executed', 'density']
    header += ['turnover', SHARES] if live else []
    header += ['outputs', 'weights']
    header = header[:1] + header[2 - types : -2] + (header[-2:] if memory else [])
    rows = [
        cells(cost.name, cost.type, str(cost.shape), _density(cost), vars(cost), live.get(cost.name)) for cost in record.layers
    ]
    mean = mean_liveliness(live.values()) if live else None
    return table(header, rows, left=1 + types, footer=[cells('total', '', '', '', record.total, mean)])


def _density(cost: Cost) -> str:
    return '-' if cost.density is None else f'{cost.density:.3f}'


def _tight(number: int) -> str:
    return size(number).replace(' ', '')


def _title(record: Info, width: int | None) -> str:
    source = f'measured over {count(record.images)} images' if record.images else 'as configured'
    title = f'{record.model} on {record.input_shape}, one image' + (f'; densities {source}' if record.is_gated else '')
    return textwrap.fill(title, width or WIDE)


def _summary(record: Info, width: int | None) -> str:
    """The totals to the last digit, and what the columns mean."""
    total = record.total
    lines = {
        'parameters': f'{count(total["trainable"])} trainable, {count(total["state"])} non-trainable',
        'dense': f'{count(total["dense"])} MACs, nothing skipped',
    }
    if record.is_gated:
        lines['macs'] = (
            f'{count(total["macs"])} as published: only a layer directly after a gated one sees its '
            f'sparsity ({total["dense"] / total["macs"]:.2f}x fewer)'
        )
        lines['executed'] = f'{count(total["executed"])} in compact execution ({total["dense"] / total["executed"]:.2f}x fewer)'
        if record.executed and record.executed.is_wide:
            lines['an image'] = f'executed {record.executed}'
        lines['gates'] = (
            f'{count(total["gate_parameters"])} of the parameters, {count(total["gate_macs"])} of the '
            f'executed MACs ({percent(total["gate_macs"] / total["executed"])})'
        )
    wrapper = textwrap.TextWrapper(width=width or WIDE, subsequent_indent=' ' * 12, break_long_words=False)
    return '\n'.join(line for name, text in lines.items() for line in wrapper.wrap(f'{name:<12}{text}'))


FORMATS: dict[str, Callable[[Info, int | None], str]] = {
    'table': _table,
    'json': lambda record, width: json.dumps(as_data(record), indent=2),
    'yaml': lambda record, width: yaml.safe_dump(as_data(record), sort_keys=False).rstrip('\n'),
    'csv': _csv,
}
