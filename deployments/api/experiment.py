"""The experiment that runs, or the last one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Depends

from deployments.api.access import Caller, Needs
from deployments.api.documents import responses
from deployments.api.problems import Problem
from deployments.challenge import ExperimentFeed


def routes(feed: ExperimentFeed) -> APIRouter:
    """The call about experiments."""
    found = APIRouter(prefix="/admin", tags=["admin"])
    admin = Depends(Needs("admin"))

    @found.get(
        "/experiment",
        summary="The experiment that runs, or the last one",
        responses=responses("Experiment", also=(404,)),
    )
    async def experiment(caller: Caller = admin) -> dict[str, Any]:
        """As this replica has heard of it; `pipelines.experiment` starts, stops and reports."""
        last = feed.experiment
        if last is None:
            raise Problem(404, "there was no experiment yet: `pipelines.experiment start` starts one")
        return {
            "number": last.number,
            "kind": last.kind,
            "challenger": last.version,
            "share": last.share,
            "running": last.is_running,
            "started_at": _moment(last.started),
            "ended_at": None if last.ended is None else _moment(last.ended),
        }

    return found


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()
