"""The CRDs of KubeRay, read once."""

from __future__ import annotations

import pytest

from cluster.manifests.crds import Crds, find_crds
from cluster.manifests.faults import Missing
from tests.cluster.built import ROOT
from tests.support import require


@pytest.fixture(scope="session")
def crds() -> Crds:
    try:
        return Crds(find_crds(ROOT))
    except Missing as error:
        require(False, str(error))
        raise
