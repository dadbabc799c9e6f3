"""What the catalog holds and says: campaigns of record, their changes, what they spent, and what can go wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

from rtb.campaigns.campaign import Campaign
from rtb.catalog.versions import VersionChanged
from rtb.runtime.quarantine import Fault


class CatalogError(RuntimeError):
    """The database cannot be reached or refuses; the message says which and why."""


class CampaignExists(ValueError):
    """A campaign of this id is there already."""


class CampaignUnknown(LookupError):
    """There is no campaign of this id."""


class CampaignArchived(RuntimeError):
    """The campaign is archived, which is for good."""


class CreativeExists(ValueError):
    """The campaign has a creative of this id already."""


class CreativeUnknown(LookupError):
    """The campaign has no creative of this id."""


class CampaignChanged(VersionChanged):
    """Somebody else changed the campaign first."""

    kind = "campaign"


class Entry(NamedTuple):
    """A campaign of record.

    Attributes:
        number: stable and never reused: its name in the ledger and in arrays.
        campaign: as its owner describes it.
        created: Unix time.
        version: 1 when it is created, one more with each change.
        opened: the ledger has had its money, and it may have bid.
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
        """Unix time when its money should be spent. Where the flight names its end, it does not bid from then on."""
        moment = self.campaign.flight.ends_at
        return self.starts + self.campaign.budget.flight_seconds if moment is None else moment.timestamp()

    def is_in_flight(self, now: float) -> bool:
        """Whether its flight lets it bid.

        Args:
            now: Unix time.
        """
        return self.starts <= now and (self.campaign.flight.ends_at is None or now < self.ends)


class Loaded(NamedTuple):
    """The campaigns of record.

    Attributes:
        entries: that can be read, in order of their numbers.
        faults: those that cannot, such as one written past the API or by another version.
    """

    entries: list[Entry]
    faults: list[Fault]


class Page(NamedTuple):
    """Some campaigns of record.

    Attributes:
        entries: in order of their numbers.
        next: the number after which the next page begins, none when this is the last.
    """

    entries: list[Entry]
    next: int | None


class Change(NamedTuple):
    """One line of a campaign's history.

    Attributes:
        at: Unix time.
        actor: who did it: a key's name or fingerprint.
        action: `create`, `change`, `pause`, `resume`, `top_up`, `add_creative`, `drop_creative` or `archive`.
        version: that the campaign had afterwards.
        before: the campaign as JSON decodes it; None where it was created.
        after: the same, afterwards.
    """

    at: float
    actor: str
    action: str
    version: int
    before: dict[str, Any] | None
    after: dict[str, Any]


def unix_time(moment: datetime) -> float:
    """Unix time; SQLite gives back what was UTC without saying so."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
