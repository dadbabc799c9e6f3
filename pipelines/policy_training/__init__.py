"""The parts of `pipelines.train_policy`: cluster, loop, validation, checkpoints, sweep, screen."""
