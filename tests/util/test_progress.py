"""Progress: a bar in a terminal, plain lines elsewhere."""

import io

import pytest

from mayo.util import progress
from mayo.util.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(progress.time, 'monotonic', lambda: now[0])
    return now


def test_elsewhere_it_is_one_plain_line_every_so_many_seconds(clock: list[float]) -> None:
    out = io.StringIO()
    with Progress('train', 1000, done=100, every_seconds=30, stream=out) as shown:
        for seconds in range(100, 161):
            clock[0] = float(seconds)
            if shown.due():
                shown.show(100 + 3 * (seconds - 100), 'loss 0.5')
    assert out.getvalue() == (
        'train: 190 of 1000 images, loss 0.5, 3 images/s, 4 min left\n'
        'train: 280 of 1000 images, loss 0.5, 3 images/s, 4 min left\n'
    )


def test_a_terminal_gets_a_bar_with_the_news() -> None:
    out = Terminal()
    with Progress('train', 1000, stream=out) as shown:
        shown.show(500, 'loss 0.5')
        shown.say('epoch 1 is done')
    assert '\r' in out.getvalue()
    assert 'train:  50%' in out.getvalue()
    assert 'loss 0.5' in out.getvalue()
    assert 'epoch 1 is done\n' in out.getvalue()


def test_quiet_is_silent() -> None:
    for out in (Terminal(), io.StringIO()):
        with Progress('train', 10, quiet=True, stream=out) as shown:
            shown.show(5)
            shown.say('done')
        assert out.getvalue() == ''


def test_nothing_done_gives_no_time_left(clock: list[float]) -> None:
    out = io.StringIO()
    with Progress('eval', 10, stream=out) as shown:
        clock[0] += 1
        shown.show(0)
    assert out.getvalue() == 'eval: 0 of 10 images, 0 images/s\n'
