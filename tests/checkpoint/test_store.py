"""The folder of checkpoints: names, the latest, which stay, and what is said of one that is not there."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from mayo.checkpoint import bundle
from mayo.checkpoint.store import Store, all_names
from mayo.util.errors import UserError


@pytest.fixture
def store(tmp_path: pathlib.Path) -> Store:
    return Store(tmp_path / 'checkpoints', 'net', 'pictures')


def put(store: Store, *names: str, keep: int = 3) -> None:
    for name in names:
        bundle.write(store.folder / name, {'imgs_seen': np.array(1)})
        if 'epoch' in name:
            store.record(name, keep)


def test_names_are_sorted_by_their_numbers(store: Store) -> None:
    put(store, 'epoch-10', 'epoch-9', 'gate50', 'epoch-9.5')
    assert store.names() == ['epoch-9', 'epoch-9.5', 'epoch-10', 'gate50']


def test_the_manifest_is_tensorflows(store: Store) -> None:
    put(store, 'epoch-1', 'epoch-2')
    assert tf.train.latest_checkpoint(store.folder) == str(store.folder / 'epoch-2')
    assert store.latest() == 'epoch-2'


def test_a_manifest_of_the_original_with_other_folders_is_read(store: Store) -> None:
    put(store, 'checkpoint-7')
    (store.folder / 'checkpoint').write_text('model_checkpoint_path: "/elsewhere/checkpoint-7"\n')
    assert store.resolve('latest') == store.folder / 'checkpoint-7'


def test_only_the_last_of_a_run_stay_and_others_are_not_touched(store: Store) -> None:
    put(store, 'epoch-1', 'epoch-best', 'gate50-epoch-1', 'epoch-2', 'epoch-3', keep=2)
    assert store.names() == ['epoch-2', 'epoch-3', 'epoch-best', 'gate50-epoch-1']


def test_writing_a_name_again_makes_it_the_latest(store: Store) -> None:
    put(store, 'epoch-1', 'epoch-2', 'epoch-1')
    assert store.latest() == 'epoch-1'
    assert store.names() == ['epoch-1', 'epoch-2']


def test_the_latest_of_a_run(store: Store) -> None:
    put(store, 'epoch-5', 'gate50-epoch-1', 'epoch-6', 'other-epoch-1')
    assert store.newest_of('gate50') == 'gate50-epoch-1'
    assert store.newest_of('') == 'epoch-6'
    assert store.newest_of('none') is None
    assert store.resolve('latest') == store.folder / 'epoch-6'
    assert store.resolve('latest', 'gate50') == store.folder / 'gate50-epoch-1'


def test_a_path_is_resolved_from_the_current_folder(
    store: Store, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bundle.write(tmp_path / 'mine' / 'weights', {'imgs_seen': np.array(1)})
    assert store.resolve('mine/weights') == tmp_path / 'mine' / 'weights'
    assert store.resolve('mine/weights.index') == tmp_path / 'mine' / 'weights'
    assert store.resolve(str(tmp_path / 'mine' / 'weights')) == tmp_path / 'mine' / 'weights'


def test_an_unknown_name_says_what_exists_and_the_nearest(store: Store) -> None:
    put(store, 'pretrained', 'gate50')
    with pytest.raises(
        UserError,
        match=r'system\.checkpoint\.load=gate5: no such checkpoint in \S+net/pictures, '
        r'there are gate50, pretrained; did you mean gate50\?',
    ):
        store.resolve('gate5')


def test_weights_of_keras_are_no_checkpoint_and_the_action_for_them_is_named(
    store: Store, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'vgg16.h5').write_bytes(b'\x89HDF\r\n\x1a\n')
    with pytest.raises(UserError, match=r'load=vgg16\.h5: weights of another format; import\.path=vgg16\.h5 import-weights'):
        store.resolve('vgg16.h5')


def test_an_empty_folder_says_so(store: Store) -> None:
    with pytest.raises(UserError, match=r'load=latest: no such checkpoint in \S+, it holds none\.'):
        store.resolve('latest')


def test_data_without_an_index_are_said_rather_than_passed_over(store: Store) -> None:
    put(store, 'gate50')
    bundle.index_file(store.folder / 'gate50').unlink()
    with pytest.raises(UserError, match=r'gate50\.index does not exist'):
        store.resolve('gate50')


def test_every_checkpoint_of_a_folder_is_listed_once(store: Store, tmp_path: pathlib.Path) -> None:
    put(store, 'b', 'a')
    assert list(all_names(tmp_path / 'checkpoints')) == [store.folder / 'a', store.folder / 'b']


def test_a_run_is_forgotten_with_its_best_and_others_stay(store: Store) -> None:
    put(store, 'epoch-1', 'gate50-epoch-1', 'gate50-epoch-2', 'gate50-best', 'gate50')
    store.forget('gate50')
    assert store.names() == ['epoch-1', 'gate50']
    assert store.latest() == 'epoch-1'
    store.forget('')
    assert store.names() == ['gate50']
    assert store.latest() is None


def test_a_checkpoint_without_a_name_is_told(store: Store, tmp_path: pathlib.Path) -> None:
    folder = tmp_path / 'model'
    folder.mkdir()
    (folder / '.index').touch()
    for load in (f'{folder}/', f'{folder}/.index'):
        with pytest.raises(UserError, match=r'model/\.index is a checkpoint without a name; rename it'):
            store.resolve(load)


@pytest.mark.parametrize('folder', ['x [1]', 'a*b', '[!a]'])
def test_a_folder_may_be_called_like_a_pattern(tmp_path: pathlib.Path, folder: str) -> None:
    store = Store(tmp_path / folder, 'net [v2]', 'pictures ?')
    put(store, 'epoch-1', 'epoch-[2]')
    assert store.names() == ['epoch-1', 'epoch-[2]']
    assert bundle.read(store.resolve('epoch-[2]'))['imgs_seen'] == 1


def saved(store: Store, *names: str) -> None:
    for name in names:
        store.folder.mkdir(parents=True, exist_ok=True)
        (store.folder / f'{name}.index').write_bytes(b'')
        (store.folder / f'{name}.data-00000-of-00001').write_bytes(b'')
        store.record(name, keep=5)


def test_latest_is_of_the_training_without_a_name_before_any_other(tmp_path: pathlib.Path) -> None:
    store = Store(tmp_path, 'net', 'set')
    saved(store, 'epoch-1', 'epoch-2', 'fine-epoch-1')
    assert store.resolve('latest').name == 'epoch-2'
    assert store.resolve('latest', 'fine').name == 'fine-epoch-1'


@pytest.mark.parametrize('folder', ['plain', 'x [1]', '50% $HOME *?', '-x', 'ä\nö', '{a,b}', '~', '#1: b'])
def test_what_save_wrote_last_is_the_latest_whatever_the_folder_is_called(tmp_path: pathlib.Path, folder: str) -> None:
    store = Store(tmp_path / folder, 'net', 'data')
    saved(store, 'epoch-1', 'epoch-2')
    bundle.write(store.folder / 'one', {'w': np.zeros(1, np.float32)})
    store.record_saved('one')
    assert store.resolve('latest') == store.folder / 'one'
    assert store.resolve('latest', 'one') == store.folder / 'one'
    assert store.newest_of('') == 'epoch-2'
    assert tf.train.latest_checkpoint(store.folder) == str(store.folder / 'one') or set('[*?') & set(folder)
    assert set(bundle.read(store.resolve('latest'))) == {'w'}
    saved(store, 'epoch-3')
    assert store.resolve('latest').name == 'epoch-3'


def test_latest_of_several_trainings_is_a_question(tmp_path: pathlib.Path) -> None:
    store = Store(tmp_path, 'net', 'set')
    saved(store, 'a-epoch-1')
    assert store.resolve('latest').name == 'a-epoch-1'
    saved(store, 'b-epoch-1', 'a-epoch-2')
    with pytest.raises(UserError, match=r'latest: of which training\? The newest are a-epoch-2, b-epoch-1; name one of them'):
        store.resolve('latest')


def test_no_flipped_bit_makes_another_checkpoint_the_latest(tmp_path: pathlib.Path) -> None:
    store = Store(tmp_path, 'net', 'set')
    saved(store, 'epoch-1', 'epoch-2', 'epoch-3')
    file = store.folder / 'checkpoint'
    whole = file.read_bytes()
    messages = []
    for place in range(len(whole)):
        for bit in (1, 4, 16):
            file.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
            try:
                assert store.resolve('latest').name == 'epoch-3'
            except UserError as error:
                messages.append(str(error))
    assert len(messages) > len(whole)
    assert all('is damaged' in message and 'epoch-1, epoch-2, epoch-3, name one' in message for message in messages)


def test_a_damaged_state_file_is_written_anew_by_training(tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    store = Store(tmp_path, 'net', 'set')
    saved(store, 'epoch-1', 'epoch-2')
    file = store.folder / 'checkpoint'
    file.write_bytes(file.read_bytes().replace(b'epoch-2', b'epoch-1'))
    saved(store, 'epoch-3')
    assert 'is damaged; it is written anew' in caplog.text
    assert store.resolve('latest').name == 'epoch-3'
    assert store.newest_of('') == 'epoch-3'


def test_a_number_is_a_checkpoint_of_the_original_where_there_is_no_epoch_of_it(store: Store) -> None:
    put(store, 'checkpoint-30', 'checkpoint-31', 'epoch-31')
    assert store.resolve('epoch-30').name == 'checkpoint-30'
    assert store.resolve('epoch-31').name == 'epoch-31'


def test_search_paths_are_folders_of_which_the_first_counts_that_holds_a_checkpoint(tmp_path: pathlib.Path) -> None:
    names = [str(tmp_path / name) for name in ('a', 'b')]
    assert Store('checkpoints', 'm', 'd', save=names).folder == tmp_path / 'a'
    bundle.write(tmp_path / 'b' / 'checkpoint-3', {'imgs_seen': np.array(1)})
    (tmp_path / 'b' / 'checkpoint').write_text('model_checkpoint_path: "checkpoint-3"\n')
    assert Store('checkpoints', 'm', 'd', save=names).folder == tmp_path / 'b'
    store = Store(tmp_path / 'checkpoints', 'm', 'd', load=names)
    assert store.folder == tmp_path / 'checkpoints' / 'm' / 'd'
    assert store.resolve('latest') == store.resolve('checkpoint-3') == tmp_path / 'b' / 'checkpoint-3'
