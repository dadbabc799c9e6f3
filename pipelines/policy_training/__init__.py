"""The parts of `pipelines.train_policy`: the cluster, the loop, what judges it, what is kept, a sweep, the screen."""
