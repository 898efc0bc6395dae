"""What the tests of the configuration share."""

from collections.abc import Callable
from typing import Any

import pytest

from mayo.config import Config
from mayo.util.errors import UserError


@pytest.fixture
def configured() -> Callable[..., Config]:
    """A configuration from YAML texts (named 1.yaml, 2.yaml, ...) and words."""

    def make(*texts: Any, words: Any = ()) -> Config:
        config = Config()
        for number, text in enumerate(texts, 1):
            config.merge_text(text, f'{number}.yaml')
        for word in words:
            config.merge_word(word)
        return config

    return make


@pytest.fixture
def message() -> Callable[..., str]:
    """The message of the UserError that a call ends with."""

    def call(function: Any, *args: Any, **kwargs: Any) -> str:
        with pytest.raises(UserError) as caught:
            function(*args, **kwargs)
        return str(caught.value)

    return call
