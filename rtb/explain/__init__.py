"""Why each bid was what it was: what little is recorded of it, where that is kept, and the bid computed again.

`records` and `recorder` are the hot path's side, `store` keeps what they say together with the catalogs, pacing tables
and models it was decided by, `recompute` decides again by the code of the hot path itself, `explain` tells it.
"""
