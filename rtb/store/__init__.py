"""One store for what must be the same on all hosts: events, published models, trained artefacts, decisions.

A store is a folder of this machine, a folder that several machines share, or a bucket with S3's protocol. It has few
operations, and all of them hold everywhere: a file appears whole or not at all, is durable once written, and `create`
lets one of several writers win. Nothing is ever renamed or appended to.
"""

from rtb.store.folder import FolderStore
from rtb.store.places import decision_archive, event_store, model_store, open_store, trained_store
from rtb.store.protocol import Store, StoreAway

__all__ = [
    "FolderStore",
    "Store",
    "StoreAway",
    "decision_archive",
    "event_store",
    "model_store",
    "open_store",
    "trained_store",
]
