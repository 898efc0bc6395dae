"""`prepare`: from a raw dataset to the TFRecord files that a dataset names.

./my datasets/fashion_mnist.yaml prepare
"""

import typing
from collections.abc import Collection, Iterable

from mayo.actions.base import RECORDS, Product, Run, action

if typing.TYPE_CHECKING:
    from mayo.config import Config


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
)
def act(run: Run) -> None:
    """Turn a raw dataset (URL, archive or folder) into TFRecords."""
    run.start_tensorflow()
    from mayo.session.prepare import prepare

    prepare(run.config)
