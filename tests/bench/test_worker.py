"""What a measuring process does, and what is told when it cannot."""

import itertools
import multiprocessing
import os
import pathlib
import signal
from typing import Any

import numpy as np
import pytest

from mayo.bench import worker
from mayo.bench.worker import Timer, Worker, peak_memory
from mayo.net.tf.engines import Job, Loaded
from mayo.net.tf.engines.base import images_as, in_parallel
from mayo.net.tf.engines.tensorflow import changed
from mayo.util.errors import RunError
from mayo.util.trial_images import random_images


def test_the_part_of_active_channels_that_the_next_image_has_not() -> None:
    fixed = np.array([[1, 0, 1, 0]] * 3)
    moving = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 0, 0]])
    assert changed([fixed]) == 0
    assert changed([moving]) == pytest.approx(2 / 6)
    assert changed([moving, fixed, np.ones((3, 4))]) == pytest.approx(1 / 6)
    assert changed([np.ones((3, 4))]) is None


def test_artifacts_of_bytes_get_bytes() -> None:
    images = random_images(2, (4, 4, 1))
    assert images_as(np.float32, images) is images
    pixels = images_as(np.uint8, images)
    assert pixels.dtype == np.uint8
    assert pixels.min() < 100
    assert pixels.max() > 150


def test_one_image_at_a_time_is_the_whole_batch_in_order() -> None:
    images = random_images(7, (2, 2, 1))
    (outputs,) = in_parallel(lambda image: [image.sum((1, 2))], 3)(images)
    assert np.array_equal(outputs, images.sum((1, 2)))


def test_a_timer_goes_through_different_batches() -> None:
    seen = []
    timer = Timer(Loaded(lambda batch: batch, lambda batch: seen.append(batch) or [batch]), np.arange(7), 2)
    assert timer.warm_up().tolist() == [0, 1]
    assert len(timer.turn()) == worker.TURN_CALLS
    assert [batch[0] for batch in seen[1:5]] == [0, 2, 4, 0]  # the odd image is left out
    assert len(seen) == 1 + worker.WARM_UP + 1 + worker.TURN_CALLS  # the first call of a turn does not count


def test_a_turn_of_slow_calls_ends_early(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(step=0.75 * worker.TURN_SECONDS)
    monkeypatch.setattr(worker.time, 'perf_counter', lambda: next(clock))
    timer = Timer(Loaded(lambda batch: batch, lambda batch: [batch]), np.arange(1), 1)
    assert len(timer.turn()) == 2


def test_the_peak_is_that_of_the_process_itself() -> None:
    held = bytearray(300 << 20)
    context = multiprocessing.get_context('spawn')
    here, there = context.Pipe()
    process = context.Process(target=_say_peak, args=(there,))
    process.start()
    peak = here.recv()
    process.join()
    assert 1 << 20 < peak < len(held) <= peak_memory()


def _say_peak(connection: Any) -> None:
    connection.send(peak_memory())


JOB = Job('onnxruntime', 'no/such.onnx', (8, 8, 2), 1, 4, 1)


def test_a_mode_that_does_not_load_says_why(tmp_path: pathlib.Path) -> None:
    started = Worker(JOB, tmp_path / 'log')
    with pytest.raises(RunError, match=r'such\.onnx|onnxruntime'):
        started.ready()
    started.kill()


@pytest.mark.parametrize(
    'by, told',
    [(signal.SIGKILL, r'its process was killed\.'), (signal.SIGTERM, 'its process ended with status -15: last words')],
)
def test_a_process_that_died_says_how(tmp_path: pathlib.Path, by: signal.Signals, told: str) -> None:
    started = Worker(JOB, tmp_path / 'log')
    os.kill(started.process.pid or 0, by)
    started.process.join()
    (tmp_path / 'log').write_text('last words')
    with pytest.raises(RunError, match=f'^{told}$'):
        started.turn()
    started.kill()


def test_a_process_that_hangs_is_ended(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, 'PATIENCE', 0.01)
    started = Worker(JOB, tmp_path / 'log')
    with pytest.raises(RunError, match=r'its process gave no answer for 0\.01 s'):
        started.ready()
    started.process.join(5)
    assert started.process.exitcode == -9
    started.kill()
