"""What an action works with: a network, its data and its checkpoints, from one configuration."""
