"""Records of the catalog: campaigns, changes and spend; and its errors."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

from rtb.campaigns.campaign import Campaign
from rtb.catalog.versions import VersionChanged
from rtb.runtime.quarantine import Fault


class CatalogError(RuntimeError):
    """A database that is unavailable or refuses; the message says which and why."""


class CampaignExists(ValueError):
    """A campaign of this id exists already."""


class CampaignUnknown(LookupError):
    """There is no campaign of this id."""


class CampaignArchived(RuntimeError):
    """The campaign is archived, which is final."""


class CreativeExists(ValueError):
    """The campaign has a creative of this id already."""


class CreativeUnknown(LookupError):
    """The campaign has no creative of this id."""


class CampaignChanged(VersionChanged):
    """A conflicting change of the campaign."""

    kind = "campaign"


class CatalogEntry(NamedTuple):
    """A campaign of record.

    Attributes:
        number: stable number, never reused: its id in the ledger and in arrays.
        campaign: the campaign as its owner defines it.
        created: Unix time.
        version: 1 when it is created, one more with each change.
        opened: whether the ledger has had its money, so that it may have bid.
    """

    number: int
    campaign: Campaign
    created: float
    version: int = 1
    opened: bool = False

    @property
    def starts(self) -> float:
        """Unix time from which it may bid."""
        moment = self.campaign.flight.starts_at
        return self.created if moment is None else moment.timestamp()

    @property
    def ends(self) -> float:
        """Unix time when its budget should be spent. Where the flight has an end, it does not bid from then on."""
        moment = self.campaign.flight.ends_at
        return self.starts + self.campaign.budget.flight_seconds if moment is None else moment.timestamp()

    def is_in_flight(self, now: float) -> bool:
        """Return whether its flight lets it bid.

        Args:
            now: Unix time.
        """
        return self.starts <= now and (self.campaign.flight.ends_at is None or now < self.ends)


class LoadedCampaigns(NamedTuple):
    """The campaigns of record.

    Attributes:
        entries: readable campaigns, in order of their numbers.
        faults: unreadable ones, such as one written past the API or by another version.
    """

    entries: list[CatalogEntry]
    faults: list[Fault]


class Page(NamedTuple):
    """A page of campaigns of record.

    Attributes:
        entries: campaigns in order of their numbers.
        next: number after which the next page begins; none on the last page.
    """

    entries: list[CatalogEntry]
    next: int | None


class Change(NamedTuple):
    """One line of a campaign's history.

    Attributes:
        at: Unix time.
        actor: name or fingerprint of the key that made the change.
        action: `create`, `change`, `pause`, `resume`, `top_up`, `add_creative`, `drop_creative` or `archive`.
        version: version of the campaign afterwards.
        before: the campaign before, as decoded JSON; none where it was created.
        after: the campaign afterwards, as decoded JSON.
    """

    at: float
    actor: str
    action: str
    version: int
    before: dict[str, Any] | None
    after: dict[str, Any]


def unix_time(moment: datetime) -> float:
    """Return the Unix time of a moment; SQLite returns UTC times without their zone."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
