"""All shards or none, every image once, mixed the same way each time; a run that was killed goes on where it was."""

import collections
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mayo.data.prepare import Raw, Writing
from mayo.data.prepare.shards import dealt, targets
from mayo.util.errors import UserError

CLASSES = [f'class {n}' for n in range(10)]


@pytest.fixture(autouse=True)
def here(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def content(number: Any) -> bytes:
    return str(number).encode()


def writing(pattern: pathlib.Path, count: int = 100, read: Any = content, **keys: Any) -> Writing:
    raw = Raw([n * 10 // count for n in range(count)], read, str, CLASSES)
    options: dict[str, Any] = {'shards': 4, 'mixed': True, 'classes': CLASSES} | keys
    return Writing(raw, pattern, **options)


def read(path: Any) -> list[Any]:
    features = [tf.train.Example.FromString(r.numpy()).features.feature for r in tf.data.TFRecordDataset(str(path))]
    return [
        (
            int(f['image/encoded'].bytes_list.value[0]),
            f['image/class/label'].int64_list.value[0],
            f['image/class/text'].bytes_list.value[0].decode(),
        )
        for f in features
    ]


def names(folder: pathlib.Path) -> list[Any]:
    return sorted(path.name for path in folder.iterdir())


def test_a_pattern_with_a_star_is_as_many_files_as_shards(here: pathlib.Path) -> None:
    assert [path.name for path in targets(here / 'a-*.b', 2)] == ['a-00000-of-00002.b', 'a-00001-of-00002.b']
    assert targets(here / 'a.b', 1) == [here / 'a.b']


def test_every_image_is_written_once_with_its_label_and_its_name(here: pathlib.Path) -> None:
    writing(here / 'new/train-*.x').write()
    examples = sorted(example for path in (here / 'new').iterdir() for example in read(path))
    assert examples == [(n, n // 10, f'class {n // 10}') for n in range(100)]
    assert names(here / 'new') == [f'train-0000{n}-of-00004.x' for n in range(4)]


def test_mixed_shards_have_all_classes_in_no_order_and_are_the_same_each_time(here: pathlib.Path) -> None:
    writing(here / 'a-*', 400).write()
    writing(here / 'b-*', 400).write()
    for path, again in zip(sorted(here.glob('a-*')), sorted(here.glob('b-*')), strict=True):
        labels = [label for _, label, _ in read(path)]
        assert set(labels) == set(range(10))
        assert abs(np.corrcoef(labels, np.arange(len(labels)))[0, 1]) < 0.4
        assert path.read_bytes() == again.read_bytes()


def test_the_mix_stays_as_it_was_when_published_splits_were_made() -> None:
    assert dealt(12, 3, mixed=True) == [[1, 3, 8, 10], [2, 9, 7, 4], [5, 11, 6, 0]]


def test_unmixed_records_stay_in_order(here: pathlib.Path) -> None:
    writing(here / 'test', mixed=False).write()
    writing(here / 'test-*', mixed=False).write()
    assert [n for n, _, _ in read(here / 'test')] == list(range(100))
    assert [n for n, _, _ in read(here / 'test-00001-of-00004')] == list(range(1, 100, 4))


def test_labels_may_start_after_a_background_class(here: pathlib.Path) -> None:
    writing(here / 'test', mixed=False, first_label=1).write()
    assert read(here / 'test')[0] == (0, 1, 'class 0')
    assert read(here / 'test')[99] == (99, 10, 'class 9')


def test_old_shards_of_another_number_go(here: pathlib.Path) -> None:
    writing(here / 'train-*', shards=8).write()
    writing(here / 'train-*', shards=2).write()
    assert names(here) == ['train-00000-of-00002', 'train-00001-of-00002']


def test_progress_is_told(here: pathlib.Path) -> None:
    told: list[Any] = []
    writing(here / 'test', 5).write(told.append)
    assert told == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ('count', 'classes', 'expected', 'message'),
    [
        (99, CLASSES, 100, 'train-*: the source holds 99 images, but dataset.num_examples_per_epoch says 100.'),
        (0, CLASSES, None, 'train-*: the source holds no image.'),
        (20, CLASSES[:9], 20, 'the source has an image of class 9, but dataset.task.num_classes allows 0 to 8.'),
    ],
)
def test_what_does_not_fit_is_told_before_anything_is_written(
    here: pathlib.Path, count: int, classes: Any, expected: int | None, message: str
) -> None:
    with pytest.raises(UserError) as error:
        writing(here / 'train-*', count, classes=classes).check(expected)
    assert str(error.value) == message
    assert names(here) == []


class Interrupted(BaseException):
    pass


def stopping_at(limit: int) -> Callable[..., Any]:
    reads: Any = collections.Counter()

    def read(number: Any) -> Any:
        reads[number] += 1
        if len(reads) > limit:
            raise Interrupted
        return content(number)

    return read


def test_an_interrupted_run_leaves_the_old_files_and_is_taken_up_where_it_was(here: pathlib.Path) -> None:
    writing(here / 'train-*', 7, shards=2).write()
    before = {path.name: path.read_bytes() for path in here.iterdir()}
    with pytest.raises(Interrupted):
        writing(here / 'train-*', read=stopping_at(60)).write()
    assert {path.name: path.read_bytes() for path in here.glob('train-*')} == before
    drafts = names(here / '.train-.unfinished')
    assert [name[:20] for name in drafts] == ['train-00000-of-00004', 'train-00001-of-00004']

    reads: Any = collections.Counter()
    told: list[Any] = []

    def counted(number: Any) -> Any:
        reads[number] += 1
        return content(number)

    again = writing(here / 'train-*', read=counted)
    assert again.kept == 50
    again.write(told.append)
    assert (sum(reads.values()), told[0], told[-1]) == (50, 51, 100)
    assert names(here) == [f'train-0000{n}-of-00004' for n in range(4)]
    writing(here / 'other-*').write()
    assert [path.read_bytes() for path in sorted(here.glob('train-*'))] == [
        path.read_bytes() for path in sorted(here.glob('other-*'))
    ]


@pytest.mark.parametrize('keys', [{'first_label': 1}, {'mixed': False}, {'classes': CLASSES[::-1]}, {'shards': 5}])
def test_shards_of_an_interrupted_run_that_would_have_been_others_are_not_taken(
    here: pathlib.Path, keys: dict[str, Any]
) -> None:
    with pytest.raises(Interrupted):
        writing(here / 'train-*', read=stopping_at(60)).write()
    assert writing(here / 'train-*', **keys).kept == 0


def test_a_draft_that_was_not_finished_is_not_taken_for_whole(here: pathlib.Path) -> None:
    with pytest.raises(Interrupted):
        writing(here / 'train-*', read=stopping_at(60)).write()
    folder = here / '.train-.unfinished'
    third = writing(here / 'train-*').plan[2].draft
    (folder / f'.{third.name}.abcd.tmp').write_bytes(b'half a file')  # what a kill leaves
    assert writing(here / 'train-*').kept == 50


def unreadable(number: Any) -> Any:
    if number % 7 == 0:
        raise UserError(f'{number} is broken.')
    return content(number)


def test_all_unreadable_images_are_told_and_shards_without_any_stay(here: pathlib.Path) -> None:
    with pytest.raises(UserError) as error:
        writing(here / 'train-*', 10, unreadable).write()
    assert sorted(str(error.value).splitlines()) == ['0 is broken.', '7 is broken.']
    bad = sum(bool({0, 7} & set(shard.numbers)) for shard in writing(here / 'train-*', 10).plan)
    assert names(here) == ['.train-.unfinished']
    assert len(names(here / '.train-.unfinished')) == 4 - bad
    with pytest.raises(UserError, match=r'^(\d+ is broken\.\n){20}\.\.\. and 9 more\.$'):
        writing(here / 'train-*', 200, unreadable).write()
