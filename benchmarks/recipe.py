"""The stages by which networks are trained for docs/results.md, and the rows of its tables; `make results` runs them.

A row of a kind has the recipe of its kind and as many epochs as the rows that it is compared with. Every choice is made on the
held-out images. Hours are those of two cores (AMX, bfloat16) that do nothing else.

To add a row, add a Stage after those it needs, and a Row that says how what it made is evaluated.
"""

import math
from dataclasses import dataclass

HOLDOUT = 'datasets/cifar10_holdout.yaml'
SETS = {'held out': HOLDOUT, 'test': 'datasets/cifar10.yaml'}  # on which rows are evaluated
CYCLE, ANNEAL, CUTOUT = 'trainers/one_cycle.yaml', 'trainers/anneal.yaml', 'models/override/cutout.yaml'
CHECKPOINTS = '{folder}/checkpoints'
EPOCH = 0.025  # hours that 45,000 images take MCifarNet, dense or with gates
TRAIN = ('reset-num-epochs', 'train', 'save', 'eval')
TAUGHT = 0.035  # the same with the dense network as a teacher


@dataclass(frozen=True)
class Stage:
    """One command. What reproduce puts in place of {folder} is the folder of its results, one for each seed.

    words: those of ./my, or from -m on of python. needs: names of stages before it. makes: files, or checkpoints without a suffix.
    hours: that it is expected to take. each_seed: false for what joins the results of all seeds.
    """

    name: str
    words: tuple[str, ...]
    makes: tuple[str, ...]
    hours: float
    needs: tuple[str, ...] = ()
    each_seed: bool = True


@dataclass(frozen=True)
class Row:
    """A network to evaluate. words: what names it, before its dataset; checkpoint: its weights; stage: that made them."""

    label: str
    words: tuple[str, ...]
    checkpoint: str
    stage: str


def dropout(keep: float) -> tuple[str, ...]:
    """The share of values that MCifarNet's two dropouts keep."""
    return tuple(f'model.layers.{layer}.keep_prob={keep}' for layer in ('drop3', 'drop6'))


def checkpoint(model: str, name: str) -> str:
    """A checkpoint of a network on CIFAR-10."""
    return f'{CHECKPOINTS}/{model}/cifar10/{name}'


def teacher(model: str, name: str = 'pretrained') -> tuple[str, ...]:
    """The network that teaches, and how much it counts."""
    return f'train.distill.checkpoint={checkpoint(model, name)}', 'train.distill.weight=0.9', 'train.distill.temperature=3'


def cycle(name: str, load: str | None, save: str, epochs: int, *more: str, needs: tuple[str, ...] = ()) -> Stage:
    """One rise and fall of the learning rate of dense MCifarNet, from the weights `load` on."""
    start = () if load is None else (f'system.checkpoint.load={load}',)
    return Stage(
        name,
        (
            *('models/cifarnet.yaml', HOLDOUT, CYCLE, *more, f'train.max_epochs={epochs}', *start),
            *(f'system.checkpoint.save={save}', *TRAIN),
        ),
        (checkpoint('cifarnet', save),),
        epochs * EPOCH,
        needs,
    )


def annealed(name: str, *more: str) -> Stage:
    """Gates in the dense network, whose density falls to 0.7, 0.5 and 0.3, with 20 epochs at each."""
    stages = {90: 1, 80: 1, 70: 20, 60: 1, 50: 20, 40: 1, 30: 20}
    return Stage(
        name,
        (
            *('models/gate/cifarnet.yaml', HOLDOUT, ANNEAL, CUTOUT, *dropout(1.0), *teacher('cifarnet'), *more),
            f'train.anneal.densities=[{",".join(f"{density / 100:g}" for density in stages)}]',
            f'train.anneal.epochs=[{",".join(map(str, stages.values()))}]',
            *('system.checkpoint.load=pretrained', f'system.checkpoint.save={name}', 'anneal'),
        ),
        tuple(checkpoint('cifarnet', f'{name}{density}') for density in stages),
        sum(stages.values()) * TAUGHT,
        ('dense',),
    )


WIDTHS = (64, 64, 128, 128, 128, 192, 192, 192)  # channels of conv0 to conv7 of MCifarNet


def static(percent: int) -> tuple[Stage, Stage]:
    """The dense network cut to the channels that each layer executes at a density, those of largest scale; 20 epochs."""
    kept = ', '.join(f'conv{number}: {math.ceil(percent / 100 * width)}' for number, width in enumerate(WIDTHS))
    model = f'cifarnet_static{percent}'
    return slimmed(f'narrow{percent}', model, f'slim.channels={{{kept}}}'), trained(
        f'static{percent}', model, f'narrow{percent}'
    )


def by_scale(macs: int) -> tuple[Stage, Stage]:
    """The dense network cut to so many million MACs by the scales of all layers together; 20 epochs."""
    model = f'cifarnet_{macs}m'
    return slimmed(f'slim{macs}', model, f'slim.target_macs={macs}M'), trained(f'scale{macs}', model, f'slim{macs}')


def slimmed(name: str, model: str, cut: str) -> Stage:
    """The dense network without some channels, as it is after that."""
    words = (
        'models/cifarnet.yaml',
        HOLDOUT,
        'system.checkpoint.load=pretrained',
        cut,
        f'slim.model={{folder}}/models/{model}.yaml',
    )
    makes = (f'{{folder}}/models/{model}.yaml', checkpoint(model, 'slim'))
    return Stage(name, (*words, 'slim.fold=true', 'slim'), makes, 0.01, ('dense',))


def trained(name: str, model: str, cut: str, start: str | None = 'slim') -> Stage:
    """20 epochs of a network without gates that the stage `cut` made, from its weights or (start: None) from random ones."""
    words = (f'{{folder}}/models/{model}.yaml', HOLDOUT, ANNEAL, CUTOUT, *teacher('cifarnet'), 'train.max_epochs=20')
    load = () if start is None else (f'system.checkpoint.load={start}',)
    saved = checkpoint(model, name)
    return Stage(name, (*words, *load, f'system.checkpoint.save={name}', *TRAIN), (saved,), 20 * TAUGHT / 2, (cut,))


def budget(macs: int) -> Stage:
    """Gates with trained thresholds in the dense network, whose images take so many million MACs in the mean, 20 epochs."""
    return Stage(
        f'budget{macs}',
        (
            *(
                'models/gate/cifarnet.yaml',
                HOLDOUT,
                ANNEAL,
                CUTOUT,
                *dropout(1.0),
                *teacher('cifarnet'),
                '_gate.threshold=learned',
            ),
            *(f'train.target_macs={macs}M', 'train.max_epochs=20', 'system.checkpoint.load=pretrained'),
            *(f'system.checkpoint.save=budget{macs}', *TRAIN),
        ),
        (checkpoint('cifarnet', f'budget{macs}'),),
        20 * TAUGHT,
        ('dense',),
    )


# What each layer of MCifarNet gets: any half of its channels passes, drawn anew for each image.
CHANCE = tuple(
    f'model.layers.conv{number}.overrider.activation.chance={{type: mayo.override.RandomChannelGater, ratio: 0.5}}'
    for number in range(8)
)


def chance() -> Stage:
    """The control of gates at 0.5: any half of the channels of the dense network, trained for 20 epochs."""
    words = ('models/cifarnet.yaml', *CHANCE, HOLDOUT, ANNEAL, CUTOUT, *dropout(1.0), *teacher('cifarnet'))
    more = ('train.max_epochs=20', 'system.checkpoint.load=pretrained', 'system.checkpoint.save=chance50', *TRAIN)
    return Stage('chance50', (*words, *more), (checkpoint('cifarnet', 'chance50'),), 20 * TAUGHT, ('dense',))


DENSITIES = '{folder}/densities.yaml'


def by_time() -> tuple[Stage, Stage, Stage]:
    """Densities for layers by the time of density 0.5, and 10 epochs from the same weights with them and with one for all."""
    start = ('models/gate/cifarnet.yaml', '_gate.density=0.5')
    more = (HOLDOUT, ANNEAL, CUTOUT, *dropout(1.0), *teacher('cifarnet'), 'train.max_epochs=10')

    def tuned(name: str, *overlay: str, needs: str) -> Stage:
        words = (*start, *overlay, *more, 'system.checkpoint.load=gate50', f'system.checkpoint.save={name}')
        return Stage(name, (*words, *TRAIN), (checkpoint('cifarnet', name),), 10 * TAUGHT, (needs,))

    return (
        Stage(
            'search',
            (
                *start,
                HOLDOUT,
                'system.checkpoint.load=gate50',
                'search.target_ms=configured',
                f'search.path={DENSITIES}',
                'search',
            ),
            (DENSITIES,),
            0.2,
            ('gate',),
        ),
        tuned('found', DENSITIES, needs='search'),
        tuned('uniform', needs='gate'),
    )


def resnet20() -> tuple[Stage, Stage]:
    """ResNet-20, dense in one cycle of 60 epochs, and gated to 0.7 and 0.5."""
    stages = {90: 1, 80: 1, 70: 10, 60: 1, 50: 15}
    return (
        Stage(
            'resnet20',
            ('models/resnet20.yaml', HOLDOUT, CYCLE, 'train.max_epochs=60', 'system.checkpoint.save=pretrained', *TRAIN),
            (checkpoint('resnet20', 'pretrained'),),
            60 * EPOCH / 2,
        ),
        Stage(
            'resnet20-gate',
            (
                *('models/gate/resnet20.yaml', HOLDOUT, ANNEAL, *teacher('resnet20')),
                f'train.anneal.densities=[{",".join(f"{density / 100:g}" for density in stages)}]',
                f'train.anneal.epochs=[{",".join(map(str, stages.values()))}]',
                *('system.checkpoint.load=pretrained', 'system.checkpoint.save=gate', 'anneal'),
            ),
            tuple(checkpoint('resnet20', f'gate{density}') for density in stages),
            sum(stages.values()) * TAUGHT / 2,
            ('resnet20',),
        ),
    )


TRAININGS = (
    cycle('dense-first', None, 'first', 32, *dropout(0.8)),
    cycle(
        'dense-second',
        'first',
        'second',
        16,
        *dropout(0.5),
        'train.learning_rate.learning_rate=0.06',
        'train.label_smoothing=0',
        'train.distill.checkpoint=first',
        'train.distill.weight=0.6',
        needs=('dense-first',),
    ),
    cycle(
        'dense', 'second', 'pretrained', 44, CUTOUT, *dropout(0.7), 'train.learning_rate.warm_up=0.15', needs=('dense-second',)
    ),
    annealed('gate'),
    annealed('squeeze', '_gate.policy=squeeze'),
    annealed('naive', '_gate.policy=naive'),
    annealed('select', '_gate.policy=select'),
    chance(),
    *static(70),
    *static(50),
    *static(30),
    trained('scratch50', 'cifarnet_static50', 'narrow50', start=None),
    *by_scale(44),
    budget(87),
    budget(44),
    budget(17),
    *by_time(),
    *resnet20(),
)
STAGES = (
    *TRAININGS,
    Stage(
        'rows',
        ('-m', 'benchmarks.rows', '{folder}'),
        ('{folder}/rows.json', '{folder}/rows.md'),
        0.3,
        tuple(stage.name for stage in TRAININGS),
        each_seed=False,
    ),
)


def gated(name: str, *words: str) -> tuple[Row, ...]:
    """The rows of an `annealed` stage."""
    model = ('models/gate/cifarnet.yaml', *words)
    return tuple(
        Row(f'{name}, density {d / 100:g}', (*model, f'_gate.density={d / 100:g}'), f'{name}{d}', name) for d in (70, 50, 30)
    )


ROWS = (
    Row('dense', ('models/cifarnet.yaml',), 'pretrained', 'dense'),
    *gated('gate'),
    *gated('squeeze', '_gate.policy=squeeze'),
    *gated('naive', '_gate.policy=naive'),
    *gated('select', '_gate.policy=select'),
    Row('any half of the channels', ('models/cifarnet.yaml', *CHANCE), 'chance50', 'chance50'),
    *(
        Row(f'static, widths of density 0.{d}', (f'{{folder}}/models/cifarnet_static{d}0.yaml',), f'static{d}0', f'static{d}0')
        for d in (7, 5, 3)
    ),
    Row('the same from random weights', ('{folder}/models/cifarnet_static50.yaml',), 'scratch50', 'scratch50'),
    Row('static, 44M by scale', ('{folder}/models/cifarnet_44m.yaml',), 'scale44', 'scale44'),
    *(
        Row(f'budget, {macs}M', ('models/gate/cifarnet.yaml', '_gate.threshold=learned'), f'budget{macs}', f'budget{macs}')
        for macs in (87, 44, 17)
    ),
    Row('densities by time', ('models/gate/cifarnet.yaml', DENSITIES), 'found', 'found'),
    Row('one density, tuned as long', ('models/gate/cifarnet.yaml', '_gate.density=0.5'), 'uniform', 'uniform'),
    Row('ResNet-20', ('models/resnet20.yaml',), 'pretrained', 'resnet20'),
    *(
        Row(
            f'ResNet-20, density {d / 100:g}',
            ('models/gate/resnet20.yaml', f'_gate.density={d / 100:g}'),
            f'gate{d}',
            'resnet20-gate',
        )
        for d in (70, 50)
    ),
)
