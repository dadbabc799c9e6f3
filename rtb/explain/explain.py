"""The explanation of a recomputed bid, step by step from the offer to the price sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from rtb.auction import pricing
from rtb.auction.stages import price_curves
from rtb.explain.notices import BidNotice, notices_of
from rtb.explain.reader import DecisionReader, bid_id_of
from rtb.explain.recompute import Recomputed, recompute
from rtb.explain.snapshot_loader import SnapshotLoader
from rtb.inventory.impression import Impression
from rtb.inventory.slots import PlayedSlot
from rtb.models import features
from rtb.models.scores import CLICK, CONVERSION
from rtb.models.winrate import market_key
from rtb.money.accounts import experiment_of
from rtb.money.micros import micros_of
from rtb.runtime.settings import Settings
from rtb.store import event_store

Document = dict[str, Any]

_MOST_DROPPED = 200
"""Most dropped campaigns listed one by one; all are counted."""

_WON, _LOST, _UNPAID = "won", "lost the internal auction", "no money: no lease could pay it"
_OTHER_PLACE = "bid for another place of the pod, or had no money, or did not fit beside those that bid"


def explain(settings: Settings, bid_id: str) -> Document:
    """Explain a bid by its id, from the store of these settings; for a thread, or a process of its own.

    Raises:
        NotKept: the bid or a snapshot that it was made by is not kept.
        RecomputeError: the bid cannot be reproduced.
        OSError: a file cannot be read.
        sqlite3.Error: the store cannot be read.
        ValueError: the store is damaged.
    """
    with DecisionReader(settings.decisions_path) as reader:
        again = recompute(reader.find(bid_id), SnapshotLoader(reader))
    bid = again.found.bid
    return explained(again, notices_of(event_store(settings), bid_id, again.found.batch.at, bid.expires))


def explained(again: Recomputed, told: Sequence[BidNotice] = ()) -> Document:
    """Return the full explanation as a JSON document; amounts in micros, prices as sent in CPM.

    Args:
        again: the recomputed bid.
        told: its notices so far.
    """
    found, impression = again.found, _impression(again)
    bid, batch = found.bid, found.batch
    return {
        **verdict(again),
        "at": _moment(batch.at),
        "campaign": _listing(again, again.candidate).campaign.id,
        "creative": _creative(again, again.candidate),
        "experiment": experiment_of(bid.account) or None,
        "request": {
            "id": again.request.id,
            "exchange": again.rules.exchange.name,
            "tmax_ms": again.request.tmax_ms,
            "is_challenger": found.request.is_challenger,
            "imps": len({one.number for one in again.request.impressions}),
        },
        "imp": _offer(impression),
        "features": _features(again, impression),
        "price": _price(again, impression),
        "candidates": _candidates(again),
        "dropped": _dropped(again),
        "lease": {
            "lease": f"{bid.lease:016x}",
            "sequence": bid.sequence,
            "account": bid.account,
            "expires_at": _moment(bid.expires),
        },
        "made_by": {
            "catalog": batch.catalog,
            "ctr_model": batch.ctr,
            "policy": batch.challenger if experiment_of(bid.account) else batch.policy,
            "pacing_table": batch.pacing,
            "opened_by": batch.opened or None,
            "rules": found.request.rules,
            "features": again.rules.features,
            "observation": again.rules.observation,
        },
        "outcome": [_notice(one) for one in told],
    }


def verdict(again: Recomputed) -> Document:
    """Return whether the price is reproduced."""
    return {
        "bid_id": bid_id_of(again.found.bid),
        "price_micros": again.found.bid.price_micros,
        "recomputed_micros": again.price_micros,
        "equal": again.is_equal,
    }


def _impression(again: Recomputed) -> Impression:
    return again.request.impressions[again.found.bid.impression]


def _offer(impression: Impression) -> Document:
    """Return the impression on offer, without its user."""
    audience = impression.audience
    return {
        "id": impression.imp_id,
        "format": impression.slot.kind,
        "sizes": [f"{w}x{h}" for w, h in impression.sizes],
        "position": impression.pos,
        "tag": impression.tag,
        "auction": "first price" if impression.first_price else "second price",
        "deal": impression.deal.id if impression.deal else None,
        "floor_cpm": impression.floors.cpm,
        "inventory": audience.inventory,
        "publisher": audience.publisher,
        "country": audience.country,
        "region": audience.region,
        "devicetype": audience.devicetype,
        "hour_of_week": audience.hour_of_week,
        "segments": list(audience.segments),
        "user_known": bool(audience.user),
    }


def _features(again: Recomputed, impression: Impression) -> list[Document]:
    placement = again.batch.view.index.creatives[again.found.bid.creative]
    named = features.named_values(impression, placement.listing.campaign.id, placement.creative)
    row = again.batch.rows[again.candidate].tolist()
    return [
        {"field": field, "value": value, "bucket": bucket}
        for (field, value), bucket in zip(named.items(), row, strict=True)
    ]


def _price(again: Recomputed, impression: Impression) -> Document:
    """Return the steps from the value of a click to the price that was sent."""
    bid, priced, place = again.found.bid, again.priced, again.place
    table, row = again.stage.table, int(again.priced.row[again.place])
    by_conversion = bool(table["by_conversion"][row])
    whole = int(pricing.price_bids(*_by_value(again, place))[0])
    saved = 0 if priced.saved is None else int(priced.saved[place])
    deals = again.batch.deals
    quote = impression.audience.quote
    key = market_key(again.request.exchange.number, again.request.caller)
    median, shape = (float(one[0]) for one in price_curves(table["markets"][[row]], np.array([key], np.uint64)))
    return {
        "pays_for": "conversion" if by_conversion else "click",
        "value_micros": int(table["value_micros"][row]),
        "pctr": float(again.probability[again.candidate, CLICK]),
        "pcvr": float(again.probability[again.candidate, CONVERSION]),
        "pctr_again": float(again.model[again.candidate, CLICK]),
        "chance": float(priced.chance[place]),
        "level_micros": float(table["level"][row]),
        "multiplier": float(again.stage.multipliers[row]),
        "cap_micros": int(table["max_bid_micros"][row]) or None,
        "by_value_micros": whole,
        "market_median_micros": median or None,
        "market_shape": shape or None,
        "shaded_off_micros": saved,
        "floor_micros": int(again.batch.floor_micros[again.candidate]),
        "agreed_micros": int(deals.agreed_micros[again.candidate]) or None if deals else None,
        "price_micros": again.price_micros,
        "quantity": impression.quantity,
        "reserved_micros": micros_of(again.price_micros, impression.quantity),
        "sent": {"cpm": quote.price(bid.price_micros), "currency": quote.currency, "rate": quote.rate},
    }


def _by_value(again: Recomputed, place: int) -> tuple[pricing.Floats, pricing.Floats, pricing.Floats, pricing.Ints]:
    table, row = again.stage.table, again.priced.row[place : place + 1]
    chance = again.priced.chance[place : place + 1]
    return table["value_micros"][row], chance, again.stage.multipliers[row], table["max_bid_micros"][row]


def _candidates(again: Recomputed) -> list[Document]:
    """Return all candidates for the imp, in any way to buy it, those that came furthest first."""
    standing = _standing(again)
    ended = dict.fromkeys(standing, _LOST)
    ended |= dict.fromkeys(standing[: standing.index(again.place)], _OTHER_PLACE if _is_pod(again) else _UNPAID)
    ended[again.place] = _WON
    rank = {place: number for number, place in enumerate(standing)}
    told = []
    for candidate in np.flatnonzero(_same_imp(again)).tolist():
        place = int(np.searchsorted(again.priced.known, candidate))
        is_open = place < len(again.priced.known) and again.priced.known[place] == candidate
        told.append((rank.get(place, len(rank)) if is_open else len(rank) + 1, _candidate(again, candidate)))
        if is_open:
            told[-1][1].update(_bid(again, candidate, place, ended.get(place)))
    return [document for _, document in sorted(told, key=lambda one: one[0])]


def _is_pod(again: Recomputed) -> bool:
    """Return whether several bids on the impression may have been made."""
    slot = again.request.impressions[int(again.batch.candidates.imp[again.candidate])].slot
    return isinstance(slot, PlayedSlot) and slot.places > 1


def _candidate(again: Recomputed, candidate: int) -> Document:
    impression = again.request.impressions[int(again.batch.candidates.imp[candidate])]
    return {
        "campaign": _listing(again, candidate).campaign.id,
        "creative": _creative(again, candidate),
        "format": impression.slot.kind,
        "deal": impression.deal.id if impression.deal else None,
        "pctr": float(again.probability[candidate, CLICK]),
        "pcvr": float(again.probability[candidate, CONVERSION]),
        "floor_micros": int(again.batch.floor_micros[candidate]),
        "ended": "not open: paused, outside its flight, or without money in this pacing table",
    }


def _bid(again: Recomputed, candidate: int, place: int, ended: str | None) -> Document:
    row = int(again.priced.row[place])
    price, floor = int(again.priced.bids[place]), int(again.batch.floor_micros[candidate])
    saved = 0 if again.priced.saved is None else int(again.priced.saved[place])
    below = f"below its floor: {price} of {floor} micros" if price else "worth nothing: a bid of 0 never stands"
    return {
        "value_micros": int(again.stage.table["value_micros"][row]),
        "multiplier": float(again.stage.multipliers[row]),
        "before_shading_micros": price + saved,
        "price_micros": price,
        "ended": ended or below,
    }


def _standing(again: Recomputed) -> list[int]:
    """Return the bids on the imp that meet their floors, by index in `priced.known`, in order of rank."""
    same = _same_imp(again)
    return [place for place in again.priced.order.tolist() if same[again.priced.known[place]]]


def _same_imp(again: Recomputed) -> npt.NDArray[np.bool_]:
    """Return which candidates are for the bid's imp, in any way to buy it, shape `(n,)`."""
    imp, own = again.batch.candidates.imp, again.found.bid.impression
    group = again.batch.terms.group
    same: npt.NDArray[np.bool_] = imp == own if group is None else group[imp] == group[own]
    return same


def _dropped(again: Recomputed) -> Document:
    """Return the campaigns that were not candidates, by the tests that each one failed."""
    batch, impression = again.batch, _impression(again)
    index = batch.view.index
    passed = index.tests(impression, again.open_lines)
    names = list(passed)
    failed = ~np.stack(list(passed.values())) if names else np.zeros((0, len(index)), bool)
    candidates = set(batch.candidates.line[batch.candidates.imp == again.found.bid.impression].tolist())
    capped = {int(number) for number in again.found.request.left_out}
    lines = [line for line in range(len(index)) if line not in candidates]
    reasons = {
        line: [names[test] for test in np.flatnonzero(failed[:, line]).tolist()]
        or [_otherwise(int(index.numbers[line]), capped)]
        for line in lines
    }
    counts = Counter(reason for found in reasons.values() for reason in found)
    return {
        "campaigns": len(lines),
        "by_reason": dict(counts.most_common()),
        "each": [
            {"campaign": index.listings[line].campaign.id, "failed": reasons[line]} for line in lines[:_MOST_DROPPED]
        ],
        "left_out": max(0, len(lines) - _MOST_DROPPED),
    }


def _otherwise(number: int, capped: set[int]) -> str:
    if number in capped:
        return "frequency: this user has seen enough of it, or the counters were unavailable"
    return "beyond max_candidates: others are expected to pay more"


def _listing(again: Recomputed, candidate: int) -> Any:
    return again.batch.view.index.listings[int(again.batch.candidates.line[candidate])]


def _creative(again: Recomputed, candidate: int) -> str:
    index = again.batch.view.index
    return index.creatives[int(again.batch.candidates.creative[candidate])].creative.id


def _notice(told: BidNotice) -> Document:
    return told._asdict() | {"at": told.at.isoformat() if told.at else None}


def _moment(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="milliseconds")
