"""`info`: what each layer of the network costs. It needs no weights, no data and no TensorFlow.

./my MODEL.yaml DATASET.yaml info
"""

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any

from mayo.actions.base import MODEL, Run, action, put, width
from mayo.util.kinds import TEXT, choice
from mayo.util.settings import Section, Setting

if typing.TYPE_CHECKING:
    from mayo.config import Config
    from mayo.estimate.table import Info
    from mayo.override.table import Row

INFO = Section(
    'info',
    'the layers table',
    Setting('format', choice('table', 'json', 'yaml', 'csv'), 'table', 'table, json, yaml or csv'),
    Setting('path', TEXT, None, 'file that is written; null: standard output'),
)


@action('info', needs=MODEL, reads=(), loads=False, makes=(), settings=(INFO,))
def act(run: Run) -> None:
    """Layers table: shapes, parameters, MACs, densities, memory."""
    from mayo.estimate.table import render
    from mayo.override import table

    form, rows = run.config.get('info.format'), overridden(run)
    record = info(run.config, run.evaluation.counts if run.evaluation else None)
    record = dataclasses.replace(record, overriders=tuple(table.as_data(rows)))
    text = render(record, form, width())
    put(f'{text}\n\n{table.render(rows)}' if rows and form == 'table' else text, run.config.get('info.path'))


def overridden(run: Run) -> 'list[Row]':
    """What overriders do: as the network of an earlier action has them, else as the configuration says."""
    if run.earlier_session is not None:
        from mayo.session import overriders

        return overriders.rows(run.earlier_session)
    from mayo.session import overridden
    from mayo.session.spec import input_shape, model_graph

    return overridden.rows(model_graph(run.config), input_shape(run.config))


def info(config: 'Config', counts: Mapping[str, Any] | None = None) -> 'Info':
    """The costs of the model. counts: {gated layer: active channels of each image [images]}, measured by `eval`."""
    from mayo.estimate import estimate
    from mayo.estimate.table import Info
    from mayo.session.spec import input_shape, model_graph

    shape = input_shape(config)
    costs = estimate(model_graph(config), shape, counts)
    images = max((len(values) for values in (counts or {}).values()), default=0)
    return Info(str(config.get('model.name') or 'model'), shape, tuple(costs), images)
