"""`info`: what each layer of the network costs. It needs no weights, no data and no TensorFlow.

./my MODEL.yaml DATASET.yaml info
"""

import typing

from mayo.actions.base import MODEL, Run, action, put, width
from mayo.util.kinds import FLAG, TEXT, choice
from mayo.util.settings import Section, Setting

if typing.TYPE_CHECKING:
    from mayo.config import Config
    from mayo.estimate.table import Info
    from mayo.override.table import Row
    from mayo.session.evaluate import Evaluation

INFO = Section(
    'info',
    'the layers table',
    Setting('format', choice('table', 'json', 'yaml', 'csv'), 'table', 'table, json, yaml or csv'),
    Setting('path', TEXT, None, 'file that is written; null: standard output'),
)

OLD = Section('system.info', 'of the original Mayo', Setting('plumbing', FLAG, False, 'true: info.format=yaml into info.yaml'))


@action('info', place=50, needs=MODEL, reads=(), loads=False, makes=(), settings=(INFO, OLD))
def act(run: Run) -> None:
    """Layers table: shapes, parameters, MACs, densities, memory."""
    from mayo.estimate.table import render

    (form, path), rows = written_as(run.config), overridden(run)
    record = info(run.config, run.evaluation)
    below = ''
    if rows:
        from dataclasses import replace  # it takes longer to import than `--help` does without it

        from mayo.override import table

        record = replace(record, overriders=tuple(table.as_data(rows)))
        below = f'\n\n{table.render(rows)}' if form == 'table' else ''
    put(render(record, form, width()) + below, path)


def written_as(config: 'Config') -> tuple[str, str | None]:
    """The format, and the file if there is one."""
    form, path = config.get('info.format'), config.get('info.path')
    if not config.get('system.info.plumbing'):
        return form, path
    return 'yaml' if form == 'table' else form, path or 'info.yaml'


def overridden(run: Run) -> 'list[Row]':
    """What overriders do: as the network of an earlier action has them, else as the configuration says."""
    if run.earlier_session is not None:
        from mayo.session import overriders

        return overriders.rows(run.earlier_session)
    from mayo.session.spec import input_shape, model_graph

    graph = model_graph(run.config)
    if not any(node.overriders for node in graph):
        return []
    from mayo.session import overridden

    return overridden.rows(graph, input_shape(run.config))


def info(config: 'Config', evaluation: 'Evaluation | None' = None) -> 'Info':
    """The costs of the model; evaluation: of what `eval` measured, the densities and what the gates did."""
    from mayo.estimate import estimate, executed_spread
    from mayo.estimate.table import Info
    from mayo.session.spec import input_shape, model_graph

    shape = input_shape(config)
    name = str(config.get('model.name') or 'model')
    if evaluation is None or not evaluation.counts:
        return Info(name, shape, tuple(estimate(model_graph(config), shape)), 0)
    graph, counts = model_graph(config), evaluation.counts
    costs, spread = estimate(graph, shape, counts), executed_spread(graph, shape, counts)
    return Info(name, shape, tuple(costs), evaluation.images, executed=spread, liveliness=evaluation.liveliness)
