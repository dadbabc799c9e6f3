"""Explanations of bids: a small record of each, the store of records and snapshots, and the recomputed bid.

`records` and `recorder` are the hot path's side, `store` keeps records with the catalogs, pacing tables and models that
bids were made by, `recompute` repeats a bid with the code of the hot path itself, `explain` describes it.
"""
