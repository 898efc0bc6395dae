"""The method's fine-tuning: the density falls stage by stage, and at each the network trains through a cycle of its own.

    ./my models/gate/cifarnet.yaml datasets/cifar10.yaml trainers/anneal.yaml system.checkpoint.load=pretrained anneal

Each stage starts from the weights of the one before, the first from system.checkpoint.load, and leaves a checkpoint of weights:
gate100, gate90, ... A record beside them, gate-anneal.json, says what is done: the same words, after whatever ended them,
go on in the same stage, epoch and step.
"""

import gc
import json
import logging
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from mayo.checkpoint import bundle
from mayo.estimate import estimate
from mayo.session.base import Session
from mayo.session.evaluate import Evaluation, evaluate
from mayo.training.fit import fit_gates
from mayo.training.stages import PREFIX, Stage, stages_of
from mayo.training.trainer import Trainer
from mayo.util.errors import UserError
from mayo.util.files import require_room, shown, whole_file
from mayo.util.format import count, fit, percent, short, table

_log = logging.getLogger(__name__)
_GATES = '/gate/'  # in the names of the variables that train in the stages of gates alone
_COLUMNS: Mapping[str, tuple[str, Callable[[Any], str] | None]] = {  # of the table: key and text; None: a number, MACs
    'checkpoint': ('name', str),
    'density': ('density', '{:g}'.format),
    'epochs': ('epochs', '{:g}'.format),
    'top-1': ('top1', percent),
    'top-5': ('top5', percent),
    'measured': ('measured_density', '{:.4f}'.format),
    'turnover': ('turnover', '{:.4f}'.format),
    'always/some/never': ('shares', str),
    'dense': ('dense', None),
    'macs': ('macs', None),
    'executed': ('executed', None),
}


@dataclass
class Record:
    """What is done: the settings that it was done with, what came of each stage, and the stage that has begun."""

    path: pathlib.Path
    settings: Mapping[str, Any]
    stages: list[dict[str, Any]] = field(default_factory=list)
    begun: str | None = None

    @property
    def evaluated(self) -> list[dict[str, Any]]:
        """The stages but those of gates alone."""
        return [stage for stage in self.stages if 'top1' in stage]

    def write(self) -> None:
        """As JSON: {settings: , stages: [{name: , density: , epochs: , top1: , ...}], begun: }."""
        value = {'settings': self.settings, 'stages': self.stages, 'begun': self.begun}
        with whole_file(self.path) as temporary:
            temporary.write_text(json.dumps(value, indent=1) + '\n', encoding='utf-8')

    def render(self, until_top1: float | None = None, width: int | None = None) -> str:
        """The table of the evaluated stages, and which of them keeps the accuracy that is asked for. width: of the screen."""
        without = (), ('always/some/never',), ('top-5', 'measured', 'always/some/never', 'dense')
        layouts = [self._table(count), *(self._table(short, leave_out) for leave_out in without)]
        text = next((layout for layout in layouts if fit(layout, width)), layouts[-1])
        if until_top1 is None:
            return text
        kept = _kept(self.evaluated, until_top1)
        last = f'density {kept["density"]:g}, {kept["name"]}, is the lowest that keeps' if kept else 'no density keeps'
        return f'{text}\n{last} top-1 {percent(until_top1)}'

    def _table(self, number: Callable[[int], str], leave_out: Sequence[str] = ()) -> str:
        columns = {title: column for title, column in _COLUMNS.items() if title not in leave_out}
        rows = [
            [
                '-' if stage.get(key) is None else (text or number)(stage[key]) for key, text in columns.values()
            ]  # an older record lacks some
            for stage in self.evaluated
        ]
        return table(list(columns), rows)


def anneal(session: Session) -> tuple[Record, Session]:
    """Every stage that is left; the record of all, and a session with the network of the last one.

    Raises KeyboardInterrupt, after saving, if interrupted. UserError: the record there is of other settings.
    """
    config = session.config
    stages, until_top1 = stages_of(config), config.get('anneal.until_top1')
    prefix = config.get('system.checkpoint.save') or PREFIX
    require_room(session.store.folder, 'system.checkpoint.path')
    record = _record(session, session.store.folder / f'{prefix}-anneal.json', stages)
    _tell_start(session, record, stages)
    last: Session | None = None
    for index in range(len(stages)):
        if index >= len(record.stages):
            last = None
            gc.collect()  # the network of the stage before, which nothing needs any more
            last = _run(session, record, stages, index)
        if until_top1 is not None and record.stages[index].get('top1', 1.0) < until_top1:
            break
    if last is None:
        done = record.stages[-1]
        last = _session_of(session, stages[len(record.stages) - 1], done['name'])
        last.load()
    return record, last


def _run(session: Session, record: Record, stages: list[Stage], index: int) -> Session:
    """Train one stage, from its start or from where it was, and enter what came of it."""
    stage, store = stages[index], session.store
    is_new = record.begun != stage.name
    if is_new:
        record.begun = stage.name
        if session.is_chief:
            store.forget(stage.name)
            record.write()
    start = stages[index - 1].name if index else session.config.get('system.checkpoint.load')
    newest = None if is_new else store.newest_of(stage.name)
    current = _session_of(session, stage, newest or start)
    _log.info(
        'stage %d of %d, %s: density %g, %g epochs%s, from %s',
        index + 1,
        len(stages),
        stage.name,
        stage.density,
        stage.epochs,
        ' of gates alone' if stage.gates_only else '',
        newest or start or 'random weights',
    )
    current.load(fresh=True)
    if newest is None:
        current.reset_num_epochs()
        if index == 0 and session.config.get('train.anneal.fit_images'):
            fit_gates(current, session.config.get('train.anneal.fit_images'))
    first_epoch = sum(int(-(-earlier.epochs // 1)) for earlier in stages[:index])
    Trainer(current, first_epoch).run()
    current.save(stage.name)
    entry: dict[str, Any] = {'name': stage.name, 'density': stage.density, 'epochs': stage.epochs}
    if not stage.gates_only:
        result = evaluate(current, execution='masked')
        print(f'{stage.name}: {result.render()}', flush=True)
        entry |= _figures(current, result)
    record.stages.append(entry)
    record.begun = None
    if session.is_chief:
        record.write()
        if not stage.gates_only:
            bundle.delete(store.folder / f'{stage.name}-gates')
        store.record(stage.name, keep=1)
        store.forget(stage.name)
    return current


def _session_of(session: Session, stage: Stage, load: str | None) -> Session:
    """The session of one stage: the same words with another density, start, name and length."""
    config = session.config.copy()
    changes: dict[str, Any] = {
        'system': {'checkpoint': {'load': load, 'save': stage.name}},
        'train': {'max_epochs': stage.epochs},
    }
    if stage.gates_only:
        changes['train']['trainable'] = _GATES
    config.merge_values(changes, f'stage {stage.name}')
    return session.sibling(config, stage.density)


def _figures(session: Session, result: Evaluation) -> dict[str, Any]:
    """What the table tells of a stage, and the density of each layer."""
    costs = estimate(session.graph, session.input_shape, result.counts)
    macs = {key: sum(getattr(cost, key) for cost in costs) for key in ('dense', 'macs', 'executed')}
    mean = result.mean_liveliness
    return {
        'top1': result.top1,
        'top5': result.top5,
        'loss': result.loss,
        'images': result.images,
        'measured_density': result.mean_density,
        'turnover': mean.turnover if mean else None,
        'shares': mean.shares if mean else None,
        **macs,
        'layers': dict(result.density),
        'liveliness': {name: asdict(layer) for name, layer in result.liveliness.items()},
    }


def _record(session: Session, path: pathlib.Path, stages: list[Stage]) -> Record:
    """The record there is, if it is of these settings and stages; else a new one."""
    settings = _settings(session)
    record = Record(path, settings)
    if session.config.get('anneal.restart') or not path.exists():
        return record
    ways = f'anneal.restart=true begins again; system.checkpoint.save=NAME keeps {shown(path)} and what it tells of.'
    try:
        value = json.loads(path.read_text(encoding='utf-8'))
        record.stages, record.begun = list(value['stages']), value['begun']
        differing = list(_differences(value['settings'], settings))
        done = [(stage['name'], stage['density'], stage['epochs']) for stage in record.stages]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f'{shown(path)} is no record of `anneal`, which would go on from it; {ways}') from None
    for (name, density, epochs), stage in zip(done, stages, strict=False):
        if (name, density, epochs) != (stage.name, stage.density, stage.epochs):
            differing.append(f'{name} was trained for {epochs:g} epochs, where {stage.name} for {stage.epochs:g} is to be')
    if len(done) > len(stages):
        differing.append(f'{len(done)} stages are done, of {len(stages)} that are to be')
    has_work = record.stages or (record.begun and session.store.newest_of(record.begun))
    if not has_work:
        return Record(path, settings)
    if differing:
        listed = '\n'.join(f'  {line}' for line in differing[:8])
        raise UserError(f'{shown(path)}: an `anneal` with other settings is there:\n{listed}\n{ways}')
    return record


def _settings(session: Session) -> dict[str, Any]:
    """What the weights depend on, beside the stages."""
    whole = session.config.to_dict(scratch=False)
    train = {key: value for key, value in whole['train'].items() if key not in ('anneal', 'validate', 'max_epochs')}
    system = {key: whole['system'][key] for key in ('seed', 'precision', 'batch_size', 'shuffle_buffer')}
    start = {key: whole['system']['checkpoint'][key] for key in ('load', 'warm_start')}
    dataset = {
        'task': whole['dataset']['task'],
        **{key: {'train': whole['dataset'][key]['train']} for key in ('path', 'num_examples_per_epoch')},
    }
    settings: dict[str, Any] = json.loads(
        json.dumps({'model': whole['model'], 'dataset': dataset, 'train': train, 'system': {**system, 'checkpoint': start}})
    )
    return settings


def _differences(before: Any, now: Any, key: str = '') -> Iterator[str]:
    """A line for each setting that differs."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for name in sorted({*before, *now}):
            yield from _differences(before.get(name), now.get(name), f'{key}.{name}' if key else name)
    elif before != now:
        yield f'{key} was {before!r}, is {now!r}'


def _tell_start(session: Session, record: Record, stages: list[Stage]) -> None:
    if len(record.stages) == len(stages):
        _log.info('nothing to anneal: all %d stages are done; anneal.restart=true begins again', len(stages))
    elif record.stages or record.begun:
        _log.info('going on after %d of %d stages', len(record.stages), len(stages))
    elif session.config.get('system.checkpoint.load') is None:
        _log.warning('system.checkpoint.load is not set: the first stage starts from random weights')
    there = [stage.name for stage in stages[len(record.stages) :] if stage.name in session.store.names()]
    if there and not record.begun:
        _log.warning('%s will be replaced; system.checkpoint.save=NAME keeps them apart', ', '.join(there))


def _kept(stages: list[dict[str, Any]], top1: float) -> dict[str, Any] | None:
    """The lowest density before the first one that loses the accuracy."""
    kept = None
    for stage in stages:
        if stage['top1'] < top1:
            break
        kept = stage
    return kept
