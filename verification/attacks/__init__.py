"""Attacks on a running platform, a case each: what an audit found, and variations of it.

`python -m verification.attacks` (`make attack-check`) starts a platform as `make up` does, tries every attack while an
honest exchange trades, and reports whether it held. `case` defines an attack, `target` is the platform under attack,
`stranger` an attacker without rights on this machine or at another address, `honest` the exchange whose latencies show
what an attack costs others, `running` the procedure; the attacks themselves are in `cases`.
"""
