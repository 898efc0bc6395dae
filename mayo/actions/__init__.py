"""Floor 6: what the words that are no files and no overrides do."""
