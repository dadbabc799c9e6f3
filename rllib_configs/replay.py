"""RLlib's replay buffer of episodes with a seed, which the original lacks: the same run must learn the same."""

from __future__ import annotations

from typing import Any

import numpy as np
from ray.rllib.utils.replay_buffers import EpisodeReplayBuffer

# RLlib requires this name, and derives from it what the buffer can do.
SEEDED = f"{__name__}.SeededEpisodeReplayBuffer"


class SeededEpisodeReplayBuffer(EpisodeReplayBuffer):
    """A replay buffer that samples decisions reproducibly.

    Args:
        seed: seed of the sampling.
        options: RLlib's own options.
    """

    def __init__(self, *, seed: int, **options: Any) -> None:
        super().__init__(**options)
        self.rng = np.random.default_rng(seed)
