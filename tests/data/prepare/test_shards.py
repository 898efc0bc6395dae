"""All shards or none, every image once, mixed the same way each time."""
import resource

import numpy as np
import pytest
import tensorflow as tf

from mayo.data.prepare import Raw, write
from mayo.data.prepare.shards import targets
from mayo.util.errors import UserError

CLASSES = [f'class {n}' for n in range(10)]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def raw(count):
    return Raw(((str(n).encode(), n * 10 // count) for n in range(count)), CLASSES, count)


def prepare(pattern, count=100, **keys):
    return write(raw(count), pattern, **{'shards': 4, 'mixed': True, 'classes': CLASSES} | keys)


def read(path):
    features = [tf.train.Example.FromString(r.numpy()).features.feature for r in tf.data.TFRecordDataset(str(path))]
    return [(int(f['image/encoded'].bytes_list.value[0]), f['image/class/label'].int64_list.value[0],
             f['image/class/text'].bytes_list.value[0].decode()) for f in features]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_pattern_with_a_star_is_as_many_files_as_shards(here):
    assert [path.name for path in targets(here / 'a-*.b', 2)] == ['a-00000-of-00002.b', 'a-00001-of-00002.b']
    assert targets(here / 'a.b', 1) == [here / 'a.b']


def test_every_image_is_written_once_with_its_label_and_its_name(here):
    assert prepare(here / 'new/train-*.x', num_examples=100) == 100
    found = sorted(example for path in (here / 'new').iterdir() for example in read(path))
    assert found == [(n, n // 10, f'class {n // 10}') for n in range(100)]
    assert names(here / 'new') == [f'train-0000{n}-of-00004.x' for n in range(4)]


def test_mixed_shards_have_all_classes_in_no_order_and_are_the_same_each_time(here):
    prepare(here / 'a-*', 400)
    prepare(here / 'b-*', 400)
    for path, again in zip(sorted(here.glob('a-*')), sorted(here.glob('b-*')), strict=True):
        labels = [label for _, label, _ in read(path)]
        assert set(labels) == set(range(10))
        assert abs(np.corrcoef(labels, np.arange(len(labels)))[0, 1]) < 0.4
        assert path.read_bytes() == again.read_bytes()


def test_unmixed_records_stay_in_order(here):
    prepare(here / 'test', mixed=False)
    prepare(here / 'test-*', mixed=False)
    assert [n for n, _, _ in read(here / 'test')] == list(range(100))
    assert [n for n, _, _ in read(here / 'test-00001-of-00004')] == list(range(1, 100, 4))


def test_labels_may_start_after_a_background_class(here):
    prepare(here / 'test', mixed=False, first_label=1)
    assert read(here / 'test')[0] == (0, 1, 'class 0')
    assert read(here / 'test')[99] == (99, 10, 'class 9')


def test_old_shards_of_another_number_go(here):
    prepare(here / 'train-*', shards=8)
    prepare(here / 'train-*', shards=2)
    assert names(here) == ['train-00000-of-00002', 'train-00001-of-00002']


def test_progress_is_told(here):
    told = []
    prepare(here / 'test', 5, tell=told.append)
    assert told == [1, 2, 3, 4, 5]


def failing():
    yield b'1', 0
    raise KeyboardInterrupt


@pytest.mark.parametrize(('images', 'keys', 'message'), [
    (raw(99).images, {'num_examples': 100},
     'train-*: the source holds 99 images, but dataset.num_examples_per_epoch says 100.'),
    ([], {}, 'train-*: the source holds no image.'),
    ([(b'', 10)], {}, 'the source has an image of class 10, but dataset.task.num_classes allows 0 to 9.'),
    (failing(), {}, None)])
def test_what_goes_wrong_leaves_everything_as_it_was(here, images, keys, message):
    prepare(here / 'train-*', 7, shards=2)
    before = {path.name: path.read_bytes() for path in here.iterdir()}
    with pytest.raises(UserError if message else KeyboardInterrupt) as error:
        write(Raw(images), here / 'train-*', shards=4, mixed=True, classes=CLASSES, **keys)
    assert message is None or str(error.value) == message
    assert {path.name: path.read_bytes() for path in here.iterdir()} == before


def test_more_shards_than_files_may_be_open_are_refused(here):
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    with pytest.raises(UserError, match=rf'^dataset.prepare.shards: {most} shards are more files than may be open'):
        prepare(here / 'train-*', shards=most)
    assert names(here) == []
