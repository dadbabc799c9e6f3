"""RLlib's replay buffer of episodes with a seed, which it has none of: the same run must learn the same."""

from __future__ import annotations

from typing import Any

import numpy as np
from ray.rllib.utils.replay_buffers import EpisodeReplayBuffer

# RLlib wants its name, and knows by it what the buffer can do.
SEEDED = f"{__name__}.SeededEpisodeReplayBuffer"


class SeededEpisodeReplayBuffer(EpisodeReplayBuffer):
    """Draws decisions as the seed has it.

    Args:
        seed: of the draws.
        options: RLlib's own.
    """

    def __init__(self, *, seed: int, **options: Any) -> None:
        super().__init__(**options)
        self.rng = np.random.default_rng(seed)
