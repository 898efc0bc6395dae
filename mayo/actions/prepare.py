"""`prepare`: from a raw dataset to the TFRecord files that a dataset names.

./my datasets/fashion_mnist.yaml prepare
"""

import typing
from collections.abc import Collection, Iterable

from mayo.actions.base import RECORDS, Product, Run, action
from mayo.util.schema import flag, named, record, text, whole

if typing.TYPE_CHECKING:
    from mayo.config import Config

RESULT = record(
    'the records of each split',
    splits=named(
        'by name',
        record(
            'of one',
            path=text('of the records, a glob'),
            images=whole('in them'),
            written=flag('whether they were written now; false: they were there'),
        ),
    ),
)


def check(config: 'Config', products: Collection[Product]) -> Iterable[str]:
    """What keeps it from writing where dataset.path says."""
    from mayo.session.prepare import problems

    return problems(config)


@action(
    'prepare',
    place=40,
    needs=('dataset.name', 'dataset.task.num_classes', 'dataset.prepare.type'),
    reads=(),
    loads=False,
    makes=(RECORDS,),
    check=check,
    check_first=True,
    unasked='listed',
    result=RESULT,
)
def act(run: Run) -> None:
    """Turn a raw dataset (URL, archive or folder) into TFRecords."""
    run.start_tensorflow()
    from mayo.session.prepare import prepare

    prepared = prepare(run.config)
    lines = [split.line for split in prepared.values()]
    run.answer({'splits': {name: split.data() for name, split in prepared.items()}}, '\n'.join(lines))
