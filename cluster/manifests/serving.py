"""Validation of `serveConfigV2` by Ray Serve's schema, without fields that Serve would ignore."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pydantic
import yaml
from ray.serve.config import AutoscalingConfig
from ray.serve.schema import ServeDeploySchema

from cluster.manifests.crds import Reason
from cluster.manifests.faults import Object

_AT = "spec.serveConfigV2"


def reasons(body: Object) -> Iterator[Reason]:
    """Yield everything wrong with the Serve configuration of a RayService."""
    text = body.get("spec", {}).get("serveConfigV2")
    if not text:
        yield _AT, "a RayService without one serves nothing"
        return
    try:
        config = yaml.safe_load(text)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Ray's own deprecations
            parsed = ServeDeploySchema.model_validate(config)
    except yaml.YAMLError as error:
        yield _AT, f"not YAML: {' '.join(str(error).split())}"
    except pydantic.ValidationError as error:
        for one in error.errors():
            yield ".".join([_AT, *map(str, one["loc"])]), one["msg"]
    except (ValueError, TypeError) as error:
        yield _AT, " ".join(str(error).split())
    else:
        yield from _unknown(config, parsed, _AT)
        if config.get("http_options", {}).get("host") != "0.0.0.0":  # nosec B104 # of a pod
            yield f"{_AT}.http_options.host", "must be 0.0.0.0: other pods connect to it"


def _unknown(given: Any, parsed: Any, at: str) -> Iterator[Reason]:
    """Yield fields that Serve's schema accepts for the sake of later versions, and ignores."""
    if isinstance(given, list) and isinstance(parsed, list):
        for index, (one, model) in enumerate(zip(given, parsed, strict=True)):
            yield from _unknown(one, model, f"{at}.{index}")
    elif isinstance(given, dict) and isinstance(parsed, pydantic.BaseModel):
        known = type(parsed).model_fields
        names = set(known) | {field.alias for field in known.values() if field.alias}
        for name, value in given.items():
            if name not in names:
                yield f"{at}.{name}", f"{type(parsed).__name__} has no such field, and would ignore it"
            else:
                yield from _unknown(value, getattr(parsed, name, None), f"{at}.{name}")
    elif isinstance(given, dict) and at.endswith("autoscaling_config"):
        yield from _unknown_autoscaling(given, at)


def _unknown_autoscaling(given: Object, at: str) -> Iterator[Reason]:
    """Yield the same of an autoscaling configuration, which the schema keeps as given."""
    for name in given:
        if name not in AutoscalingConfig.model_fields:
            yield f"{at}.{name}", "AutoscalingConfig has no such field"
