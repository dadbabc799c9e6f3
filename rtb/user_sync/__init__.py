"""User sync: an id of ours for a browser, kept in a cookie and told to an exchange, where privacy signals allow it."""

from rtb.user_sync.ids import SyncIds
from rtb.user_sync.sync import SyncAnswer, SyncRequest, UserSyncs

__all__ = ["SyncAnswer", "SyncIds", "SyncRequest", "UserSyncs"]
