"""The configuration that is deployed says what the settings say."""

from __future__ import annotations

from typing import Literal

import pytest
from ray.serve.schema import LoggingConfig, ServeDeploySchema

from raybid.local.configuration import serve_config
from rtb.runtime.settings import Settings


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_serve_and_every_replica_log_as_the_settings_say(log_format: Literal["text", "json"]) -> None:
    config = serve_config(Settings(log_format=log_format), "composed", {}, {})
    deployed = ServeDeploySchema.model_validate(config)
    (application,) = deployed.applications
    assert len(application.deployments) == 4
    parts = [deployed, *application.deployments]
    assert {LoggingConfig.model_validate(part.logging_config).encoding for part in parts} == {log_format.upper()}
