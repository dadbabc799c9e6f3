"""Every setting of the platform, read once from the environment (prefix `RAYBID_`) and validated.

Nothing here runs at import: a process that needs settings calls `Settings()` in its `main` or `__init__`.
"""

from __future__ import annotations

import os
import secrets
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from rtb.runtime.notice_times import NoticeTimes
from rtb.runtime.secret_strength import weakness

SecretName = Literal[
    "admin_key", "exchange_key", "report_key", "notice_secret", "user_secret", "ledger_password", "console_token"
]
"""Secrets that are generated where none is configured."""

_SECRET = (
    "admin_key",
    "exchange_key",
    "report_key",
    "exchange_keys",
    "ledger_password",
    "notice_secret",
    "notice_secrets_previous",
    "user_secret",
    "console_token",
)


_LISTS = ("exchange_keys", "notice_secrets_previous")

_LEAST_EVENT_DAYS = 2.0

_ID_FIELDS = ("buyeruid", "id", "eids", "ifa")
"""Fields of a request with ids of users."""


class Settings(BaseSettings):
    """Ports, folders, limits and secrets. Each field is set by `RAYBID_<NAME>`, for example `RAYBID_HTTP_PORT`.

    With `RAYBID_SECRETS_DIR`, a field that the environment does not set is read from the file of its name there, as
    containers are given secrets: `/run/secrets/raybid_admin_key`.
    """

    model_config = SettingsConfigDict(env_prefix="RAYBID_", extra="ignore", frozen=True, hide_input_in_errors=True)

    # Folders
    var_dir: Path = Field(Path("var"), description="everything the platform writes: ledger, catalog, models, logs")
    secrets_dir: Path | None = Field(None, description="folder of files raybid_<name>, for what is not set here")

    # Ports, all on this machine
    http_host: str = Field("127.0.0.1", description="address the printed URLs and the replay client use")
    http_port: int = Field(8000, ge=1, le=65535, description="where exchanges POST bid requests")
    dashboard_port: int = Field(8265, ge=1, le=65535, description="Ray dashboard and job submission")
    ray_port: int = Field(6380, ge=1, le=65535, description="Ray's cluster address (GCS)")
    ray_client_port: int = Field(10001, ge=1024, le=65535, description="Ray's client server")
    ledger_port: int = Field(6390, ge=1, le=65535, description="the embedded Valkey server")

    # Where state lives; empty means the embedded default
    redis_url: str = Field("", description="a Redis or Valkey of yours; empty: the embedded Valkey server")
    require_durable: bool = Field(False, description="bid only while the ledger's server syncs each write to disk")
    database_url: str = Field("", description="SQLAlchemy URL of the catalog; empty: SQLite under var_dir")
    store: str = Field(
        "", description="of all hosts, for events, models, decisions: s3://bucket/prefix or a folder; empty: var_dir"
    )
    ctr_artefact: str = Field("", description="folder of the CTR model; empty: var_dir/models/ctr")
    policy_artefact: str = Field("", description="folder of the bidding policy; empty: var_dir/models/policy")
    artefacts: str = Field(
        "", description="folders, comma-separated, of candidates to publish over REST besides var_dir"
    )
    published: str = Field("", description="store of published models, which replace these; empty: store/published")

    # Secrets; empty means: made on first use under var_dir/secrets, readable by the owner only
    admin_key: str = Field("", description="X-API-Key that may create and read campaigns")
    exchange_key: str = Field("", description="X-API-Key of this machine's own bid requests, made by `raybid up`")
    report_key: str = Field("", description="X-API-Key that may read figures: of Prometheus, made by `raybid up`")
    exchange_keys: str = Field("", description="comma-separated X-API-Keys of exchanges")
    require_exchange_key: bool = Field(True, description="refuse bids without a key; false: on loopback only")
    require_report_key: bool = Field(True, description="refuse /stats and /metrics without; false: on loopback only")
    calls_per_minute: int = Field(1_000, ge=1, description="REST calls of one key, or one address without, a minute")
    trusted_proxies: str = Field("", description="comma-separated addresses whose X-Forwarded-For is believed")
    log_format: Literal["text", "json"] = Field("text", description="of the replicas' log: json is one object a line")
    key_seconds: float = Field(0.5, gt=0, description="how often replicas look for keys created or revoked")
    notice_secret: str = Field("", description="what the keys of notice tokens are derived from")
    price_keys: str = Field("", description="name:encryption:integrity of exchanges that encrypt prices, by commas")
    user_secret: str = Field("", description="key of the numbers that stand for users, in frequency caps too")
    console_token: str = Field("", description="what opens the console")
    notice_secrets_previous: str = Field("", description="comma-separated former notice secrets: still read")
    ledger_password: str = Field("", description="password of the embedded Valkey server")

    # The market's conventions
    public_url: str = Field("", description="base of notice URLs as exchanges reach us; empty: http_host:http_port")
    currency: str = Field("USD", pattern="^[A-Z]{3}$", description="the one currency budgets and bids are in")
    rates: str = Field(
        "", description="table of currency rates: file or URL, JSON, YAML or the ECB's; empty: nothing is converted"
    )
    rates_days: float = Field(7.0, gt=0, description="age in days from which rates of the ECB are not bid by")
    charge_on: Literal["bill", "win"] = Field("bill", description="the notice that spends money: burl or nurl")
    exchanges_dir: Path | None = Field(None, description="folder of exchange profiles besides those shipped")
    sellers: Path | None = Field(None, description="table of ads.txt, app-ads.txt and sellers.json to read, YAML")
    filter_crawlers: bool = Field(True, description="refuse requests of known crawlers and programs, nbr 3 and 4")
    filter_data_centers: bool = Field(True, description="refuse requests from addresses of data centres, nbr 5")

    # User data, where privacy signals allow it
    gvl_id: int = Field(
        0, ge=0, le=65_535, description="our vendor id in the Global Vendor List of TCF; 0: not registered"
    )
    user_sources: str = Field(
        "buyeruid,id,eids,ifa",
        description="comma-separated sources of user ids, the best first: those of the default, and sources of eids",
    )
    segment_providers: str = Field(
        "", description="comma-separated ids or names in user.data whose segments are used; empty: all"
    )

    # Limits of the hot path
    max_body_bytes: int = Field(1_000_000, ge=1_000, description="a larger request body is refused with 413")
    max_header_bytes: int = Field(8_192, ge=1_000, description="longer request headers are refused with 431")
    max_queue: int = Field(1_024, ge=1, description="requests that may wait in one replica; more are shed with 204")
    max_imps: int = Field(64, ge=1, description="imps considered in one request")
    max_candidates: int = Field(16, ge=1, description="candidates scored for one imp, best prior first")
    max_batch: int = Field(256, ge=1, description="requests in one micro-batch")
    default_tmax_ms: int = Field(300, ge=1, description="time allowed when a request carries no tmax")

    frequency_timeout_seconds: float = Field(0.02, gt=0, description="longest wait for frequency counters in a batch")

    # Money and pacing
    lease_seconds: float = Field(5.0, gt=0, description="how long a replica bids from one lease")
    lease_fraction: float = Field(0.05, gt=0, le=1, description="most of what is available one lease may take")
    caller_share: float = Field(
        0.5, gt=0, le=1, description="most of a campaign's money left that one key's unpaid bids may hold; 1: all"
    )
    notice_ttl_seconds: float = Field(60.0, gt=0, description="how long notices of a web banner are honoured")
    notice_ttl_app_seconds: float = Field(300.0, gt=0, description="the same for a banner in an app")
    notice_ttl_native_seconds: float = Field(600.0, gt=0, description="the same for a native advertisement")
    notice_ttl_interstitial_seconds: float = Field(1_800.0, gt=0, description="the same for an interstitial")
    notice_ttl_scheduled_seconds: float = Field(
        86_400.0, ge=0, description="the most added to it on a screen in public whose request says when it is shown"
    )
    tick_seconds: float = Field(1.0, gt=0, description="the Controller's pacing interval")
    event_backlog: int = Field(1_000_000, ge=1, description="events not yet in Parquet from which on bids' are dropped")
    event_seconds: float = Field(2.0, gt=0, description="how often the Controller writes events to Parquet")
    event_days: float = Field(400.0, ge=0, description="how long Parquet events are kept, 2 days or more; 0: for ever")
    decision_hours: float = Field(24.0, ge=0, description="how long bids can be explained; 0: nothing is recorded")
    decision_megabytes: int = Field(1_024, ge=16, description="most that is kept to explain bids, the oldest goes")
    pull_seconds: float = Field(0.25, gt=0, description="how often replicas look for a new snapshot")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources by precedence: arguments, then the environment, then secret files.

        Raises:
            SettingsError: the folder of secret files does not exist.
        """
        folder = os.environ.get("RAYBID_SECRETS_DIR")
        if not folder:
            return init_settings, env_settings
        if not Path(folder).is_dir():
            raise SettingsError(f"RAYBID_SECRETS_DIR: {folder} is not a folder: mount the secrets there, or unset it")
        return init_settings, env_settings, SecretsSettingsSource(settings_cls, secrets_dir=folder)

    @field_validator("redis_url")
    @classmethod
    def _redis_scheme(cls, url: str) -> str:
        if url and not url.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must start with redis://, rediss:// or unix://")
        return url

    @field_validator("store", "published")
    @classmethod
    def _store_url(cls, url: str) -> str:
        scheme, separator, rest = url.partition("://")
        if separator and (scheme not in ("s3", "file") or not rest):
            raise ValueError("must be s3://bucket/prefix, file:///folder or the path of a folder")
        if scheme == "s3" and "@" in rest.partition("/")[0]:
            raise ValueError("contains credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY instead")
        return url

    @field_validator("store")
    @classmethod
    def _absolute(cls, url: str) -> str:
        if url and "://" not in url and not Path(url).is_absolute():
            raise ValueError("must be an absolute path, the same on all hosts, or a URL")
        return url

    @field_validator(*_SECRET)
    @classmethod
    def _hard_to_guess(cls, value: str, info: ValidationInfo) -> str:
        parts = value.split(",") if info.field_name in _LISTS else [value]
        for secret in filter(None, map(str.strip, parts)):
            if (fault := weakness(secret)) is not None:
                raise ValueError(f"{fault}: use `openssl rand -base64 32`, or leave it empty and one is generated")
        return value

    @field_validator("user_sources")
    @classmethod
    def _id_sources(cls, value: str) -> str:
        for source in filter(None, (part.strip() for part in value.split(","))):
            if source not in _ID_FIELDS and "." not in source:
                raise ValueError(f"{source!r} is none of {', '.join(_ID_FIELDS)}, and no domain")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: str) -> str:
        for part in filter(None, (part.strip() for part in value.split(","))):
            ip_network(part, strict=False)  # its ValueError says what is wrong
        return value

    @field_validator("event_days")
    @classmethod
    def _whole_days(cls, days: float) -> float:
        if 0 < days < _LEAST_EVENT_DAYS:
            raise ValueError("must be 0 or at least 2: today's spend is restored from the events")
        return days

    @property
    def ledger_url(self) -> str:
        """URL of the ledger's server, configured or embedded; it contains the password.

        Raises:
            OSError: the embedded server's password cannot be stored.
        """
        if self.redis_url:
            return self.redis_url
        password = quote(self.resolve_secret("ledger_password"), safe="")
        return f"redis://:{password}@127.0.0.1:{self.ledger_port}/0"

    @property
    def ledger_place(self) -> str:
        """URL of the ledger's server without user and password, for people."""
        return _place(self.ledger_url)

    @property
    def catalog_url(self) -> str:
        """SQLAlchemy URL of the catalog: configured, or that of the SQLite file."""
        return self.database_url or f"sqlite:///{self.var_dir.resolve()}/catalog.sqlite"

    @property
    def ctr_dir(self) -> Path:
        """Folder of the CTR artefact that serves until one is published."""
        return Path(self.ctr_artefact) if self.ctr_artefact else self._unpublished_dir("ctr")

    @property
    def policy_dir(self) -> Path:
        """Folder of the policy artefact that serves until one is published."""
        return Path(self.policy_artefact) if self.policy_artefact else self._unpublished_dir("policy")

    @property
    def models_dir(self) -> Path:
        """Folder of models trained on this machine, by kind."""
        return self.var_dir / "models"

    def _unpublished_dir(self, kind: str) -> Path:
        """Return the folder that a kind of model serves from; with a store an empty one, as hosts would differ."""
        return self.models_dir / ("none" if self.store else kind)

    @property
    def cache_dir(self) -> Path:
        """Folder of copies from the store."""
        return self.var_dir / "cache"

    @property
    def events_lock(self) -> Path:
        """File whose lock keeps a second writer of events on this machine out."""
        return self.var_dir / "events" / ".writer.lock"

    @property
    def decisions_path(self) -> Path:
        """File of the decisions that this machine knows, kept by the Controller: see `rtb.explain`."""
        return self.var_dir / "decisions.sqlite"

    @property
    def base_url(self) -> str:
        """Base URL of the HTTP API from this machine."""
        return f"http://{self.http_host}:{self.http_port}"

    @property
    def notice_url(self) -> str:
        """Base of the notice URLs handed to exchanges."""
        return (self.public_url or self.base_url).rstrip("/")

    @property
    def notice_times(self) -> NoticeTimes:
        """How long notices are honoured, by inventory."""
        return NoticeTimes(
            self.notice_ttl_seconds,
            self.notice_ttl_app_seconds,
            self.notice_ttl_native_seconds,
            self.notice_ttl_interstitial_seconds,
            self.notice_ttl_scheduled_seconds,
        )

    def shown(self) -> dict[str, Any]:
        """Return every setting as JSON, without secrets and without user, password and parameters of URLs."""
        told: dict[str, Any] = self.model_dump(mode="json", exclude={*_SECRET, "price_keys"})
        return told | {name: _place(told[name]) for name in ("redis_url", "database_url", "public_url")}

    def notice_secrets(self) -> list[str]:
        """Return the secret that signs, then those that are still read.

        Raises:
            OSError: when the folder cannot be written.
        """
        previous = [secret.strip() for secret in self.notice_secrets_previous.split(",")]
        return [self.resolve_secret("notice_secret"), *filter(None, previous)]

    def resolve_secret(self, name: SecretName) -> str:
        """Return the configured secret, else the one in `var_dir/secrets`, generated on first use with mode 0600.

        Raises:
            OSError: the folder cannot be written, or the stored secret is weak.
        """
        given: str = getattr(self, name)
        return given or _kept_secret(self.secret_path(name))

    def find_secret(self, name: SecretName) -> str:
        """Return the configured or stored secret; empty where there is none.

        Raises:
            OSError: the stored secret is weak.
        """
        given: str = getattr(self, name)
        if given:
            return given
        path = self.secret_path(name)
        try:
            kept = path.read_text().strip()
        except OSError:
            return ""
        return _checked(kept, path)

    def key_headers(self, name: SecretName = "exchange_key") -> dict[str, str]:
        """Return the headers with which programs of this machine call its platform.

        Raises:
            OSError: a generated key cannot be written.
        """
        return {"X-API-Key": self.resolve_secret(name)}

    def ray_token_path(self) -> Path:
        """Return the file of the token for a local platform's Ray, generated on first use with mode 0600.

        Raises:
            OSError: when the folder cannot be written.
        """
        path = self.secret_path("ray_token").resolve()
        _kept_secret(path)
        return path

    def secret_path(self, name: str) -> Path:
        """Return the file of a secret that is not configured."""
        return self.var_dir / "secrets" / name


def _place(url: str) -> str:
    """Return a URL without user, password and parameters."""
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("?")[0].partition("/")
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}" if rest else ""


def _kept_secret(path: Path) -> str:
    """Read a secret file, generating it first if needed; safe when several processes start at once."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        # Written aside and hard-linked, so that no reader sees a half-written file and the first writer wins.
        draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return _checked(path.read_text().strip(), path)


def _checked(secret: str, path: Path) -> str:
    if (fault := weakness(secret)) is not None:
        raise OSError(f"the secret in {path} is refused, {fault}: remove the file, and a new one is generated")
    return secret
