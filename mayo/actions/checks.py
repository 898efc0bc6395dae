"""What is wrong with a configuration for an action, told before anything runs. Needs no TensorFlow.

problems(config, 'eval')    ['`eval` needs dataset.path.validate, which nothing so far sets; ...']

Every action is checked for what its declaration says: needs, reads, loads, trains, gated; then its own check is asked.
"""
