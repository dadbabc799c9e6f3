"""The experiment that runs, or the last one."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter

from deployments.api.access import Admin
from deployments.api.answers import StructResponse, moment
from deployments.api.documents import responses
from deployments.api.problems import Problem
from deployments.challenge import ExperimentFeed


class ExperimentStatus(msgspec.Struct, frozen=True):
    """An experiment: a challenger, by its version, that gets a share of the traffic, between 0 and 1."""

    number: int
    kind: str
    challenger: str
    share: float
    running: bool
    started_at: str
    ended_at: str | None


def routes(feed: ExperimentFeed) -> APIRouter:
    """Build the call about experiments."""
    found = APIRouter(prefix="/admin", tags=["admin"])

    @found.get(
        "/experiment",
        summary="The experiment that runs, or the last one",
        responses=responses(ExperimentStatus, also=(404,)),
    )
    async def experiment(caller: Admin) -> StructResponse:
        """Return it as this replica has heard of it; `pipelines.experiment` starts, stops and reports."""
        last = feed.experiment
        if last is None:
            raise Problem(404, "there was no experiment yet: `pipelines.experiment start` starts one")
        status = ExperimentStatus(
            number=last.number,
            kind=last.kind,
            challenger=last.version,
            share=last.share,
            running=last.is_running,
            started_at=moment(last.started),
            ended_at=None if last.ended is None else moment(last.ended),
        )
        return StructResponse(status)

    return found
