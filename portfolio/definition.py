"""A portfolio as its owner defines it: which campaigns share a budget, how, and within which limits."""

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
    """A campaign of a portfolio, and the limits on its allocation.

    Attributes:
        campaign: id; a campaign is in one portfolio at most.
        weight: priority relative to the others; 0: it gets only what nobody else can take.
        floor_micros: minimum budget while it may bid.
        cap_micros: maximum budget; none: no cap.
        step_micros: maximum change of its budget in one decision; none: the portfolio's.
        least_spend_micros: spend before it is judged; until then it counts as an average campaign.
        target_cpc_micros: maximum cost of a click; none: no such target.
        target_cpa_micros: maximum cost of a conversion.
        target_roi: minimum gain per micro spent, (value - spend) / spend.
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
        """The targets that its bids are steered to."""
        return Targets(self.target_cpc_micros, self.target_cpa_micros, self.target_roi)

    def limits(self, step: int) -> Limits:
        """Return its limits, with the portfolio's step where it has none of its own."""
        own = self.step_micros
        return Limits(self.floor_micros, self.cap_micros, step if own is None else own, self.least_spend_micros)


class Portfolio(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Campaigns that share one budget.

    Attributes:
        id: chosen by the owner, unique.
        name: display name.
        status: `active` moves money, `paused` does not.
        strategy: how it allocates, see `portfolio.manager`.
        metric: measure of performance, for the strategy `performance`.
        explore_rate: share of the money spent on exploring, for `bandit`.
        interval_seconds: time between two decisions.
        most_move: maximum change of a campaign's budget in one decision, as a share of all budgets.
        least_move: share of all budgets below which a change is not made.
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
    """An invalid portfolio; the message names the field."""


_decoder = msgspec.json.Decoder(Portfolio)


def decode_portfolio(body: bytes | str) -> Portfolio:
    """Decode a portfolio from JSON.

    Raises:
        PortfolioError: not JSON, a missing, unknown or ill-typed field, or fields that contradict each other.
    """
    try:
        return _checked(_decoder.decode(body))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise PortfolioError(str(error)) from error


def patch_portfolio(portfolio: Portfolio, patch: Any) -> Portfolio:
    """Return the portfolio with some fields replaced; null restores a default, members are replaced as a whole.

    Args:
        portfolio: current definition.
        patch: decoded JSON object.

    Raises:
        PortfolioError: the result is invalid, or has another id.
    """
    if not isinstance(patch, dict):
        raise PortfolioError("a patch must be a JSON object")
    merged = {**msgspec.to_builtins(portfolio), **patch}
    try:
        changed = msgspec.convert({name: value for name, value in merged.items() if value is not None}, Portfolio)
    except (msgspec.ValidationError, RecursionError) as error:
        raise PortfolioError(str(error)) from error
    if changed.id != portfolio.id:
        raise PortfolioError("an id cannot change - at `$.id`")
    return _checked(changed)


def check_apart(portfolios: Iterable[Portfolio]) -> None:
    """Check that no campaign is in two portfolios: both would move its money.

    Raises:
        PortfolioError: a campaign is in two.
    """
    owner: dict[str, str] = {}
    for one in portfolios:
        for member in one.members:
            if owner.setdefault(member.campaign, one.id) != one.id:
                raise PortfolioError(
                    f"campaign {member.campaign!r} is already in portfolio {owner[member.campaign]!r}: "
                    "remove it there first - at `$.members`"
                )


def encode_portfolio(portfolio: Portfolio) -> str:
    """Return a portfolio as JSON."""
    return msgspec.json.encode(portfolio).decode()


def _checked(portfolio: Portfolio) -> Portfolio:
    names = [member.campaign for member in portfolio.members]
    if len(set(names)) < len(names):
        raise PortfolioError("two members are the same campaign - at `$.members`")
    for number, member in enumerate(portfolio.members):
        if member.cap_micros is not None and member.cap_micros < member.floor_micros:
            raise PortfolioError(f"a cap is below its floor - at `$.members[{number}].cap_micros`")
    return portfolio
