"""Attacks on a running platform, a case each: what an audit found, and its neighbours.

`python -m verification.attacks` (`make attack-check`) starts a platform as `make up` does, tries every attack while an
honest exchange trades, and says of each whether it held. `case` is what an attack is, `target` the platform under
attack, `stranger` whoever attacks it from this machine without rights or from another address, `honest` the exchange
whose latencies show what an attack costs others, `running` the order of it all; the attacks themselves are in `cases`.
"""
