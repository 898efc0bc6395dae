"""Floor 1: YAML files and words become one configuration whose every value knows who set it."""

from mayo.config.config import Config, Unknown

__all__ = ['Config', 'Unknown']
