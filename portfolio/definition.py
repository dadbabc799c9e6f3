"""A portfolio as its owner describes it: which campaigns share their budgets, how, and within which limits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec

from portfolio.manager import Strategy
from portfolio.performance import Metric
from portfolio.snapshot import Limits, Targets
from rtb.campaigns.creative import Identifier, Text

Micros = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Part = Annotated[float, msgspec.Meta(gt=0, le=1)]


class Member(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A campaign of a portfolio, and what an allocation may do to it.

    Attributes:
        campaign: its id. It is in no other portfolio.
        weight: priority, relative to the others'; 0: only what nobody else can take.
        floor_micros: least budget it gets while it may bid.
        cap_micros: most budget it gets; none: no cap.
        step_micros: most that its budget changes in one decision; none: as the portfolio says.
        least_spend_micros: what it spends before it is judged; until then it counts as an average campaign.
        target_cpc_micros: most that a click should cost; none: no such target.
        target_cpa_micros: most that a conversion should cost.
        target_roi: least gain for each micro spent, (value - spend) / spend.
    """

    campaign: Identifier
    weight: Annotated[float, msgspec.Meta(ge=0, le=1e6)] = 1.0
    floor_micros: Micros = 0
    cap_micros: Micros | None = None
    step_micros: Micros | None = None
    least_spend_micros: Micros = 0
    target_cpc_micros: Annotated[int, msgspec.Meta(ge=1, le=2**53)] | None = None
    target_cpa_micros: Annotated[int, msgspec.Meta(ge=1, le=2**53)] | None = None
    target_roi: Annotated[float, msgspec.Meta(gt=-1, le=1e6)] | None = None

    @property
    def targets(self) -> Targets:
        """What it is steered to."""
        return Targets(self.target_cpc_micros, self.target_cpa_micros, self.target_roi)

    def limits(self, step: int) -> Limits:
        """What bounds it, with the portfolio's step where it has none of its own."""
        own = self.step_micros
        return Limits(self.floor_micros, self.cap_micros, step if own is None else own, self.least_spend_micros)


class Portfolio(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Campaigns whose budgets are one.

    Attributes:
        id: chosen by the owner, unique.
        name: for people.
        status: `active` moves money, `paused` does not.
        strategy: how it decides, see `portfolio.manager`.
        metric: what performance is, for the strategy of that name.
        explore_rate: part of the money that tries, for `bandit`.
        interval_seconds: between two decisions.
        most_move: most that a campaign's budget changes in one decision, as a part of all budgets.
        least_move: part of all budgets below which a change is not made.
        members: its campaigns.
    """

    id: Identifier
    name: Text = "a portfolio"
    status: Literal["active", "paused"] = "active"
    strategy: Strategy = "dual"
    metric: Metric = "roi"
    explore_rate: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.2
    interval_seconds: Annotated[float, msgspec.Meta(ge=1, le=86_400)] = 60.0
    most_move: Part = 0.1
    least_move: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.005
    members: Annotated[tuple[Member, ...], msgspec.Meta(min_length=1, max_length=1_000)]


class PortfolioError(ValueError):
    """A portfolio that cannot be used; the message names the field."""


_decoder = msgspec.json.Decoder(Portfolio)


def decode_portfolio(body: bytes | str) -> Portfolio:
    """A portfolio from JSON.

    Raises:
        PortfolioError: not JSON, a missing, unknown or ill-typed field, or fields that contradict each other.
    """
    try:
        return _checked(_decoder.decode(body))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise PortfolioError(str(error)) from error


def patch_portfolio(portfolio: Portfolio, patch: Any) -> Portfolio:
    """The portfolio with some fields replaced; null takes a field's default. Members are replaced as a whole.

    Args:
        portfolio: what it was.
        patch: decoded JSON, an object.

    Raises:
        PortfolioError: the outcome is no portfolio, or has another id.
    """
    if not isinstance(patch, dict):
        raise PortfolioError("a change is an object of fields")
    merged = {**msgspec.to_builtins(portfolio), **patch}
    try:
        changed = msgspec.convert({name: value for name, value in merged.items() if value is not None}, Portfolio)
    except (msgspec.ValidationError, RecursionError) as error:
        raise PortfolioError(str(error)) from error
    if changed.id != portfolio.id:
        raise PortfolioError("an id cannot change - at `$.id`")
    return _checked(changed)


def check_apart(portfolios: Iterable[Portfolio]) -> None:
    """See that no campaign is in two portfolios: both would move its money.

    Raises:
        PortfolioError: one is.
    """
    owner: dict[str, str] = {}
    for one in portfolios:
        for member in one.members:
            if owner.setdefault(member.campaign, one.id) != one.id:
                raise PortfolioError(
                    f"campaign {member.campaign!r} is in portfolio {owner[member.campaign]!r} already: "
                    "take it out of that first - at `$.members`"
                )


def encode_portfolio(portfolio: Portfolio) -> str:
    """JSON of a portfolio."""
    return msgspec.json.encode(portfolio).decode()


def _checked(portfolio: Portfolio) -> Portfolio:
    names = [member.campaign for member in portfolio.members]
    if len(set(names)) < len(names):
        raise PortfolioError("two members are the same campaign - at `$.members`")
    for number, member in enumerate(portfolio.members):
        if member.cap_micros is not None and member.cap_micros < member.floor_micros:
            raise PortfolioError(f"a cap is below its floor - at `$.members[{number}].cap_micros`")
    return portfolio
