"""Definition of the dashboards, from "does it work" to "why"."""

from __future__ import annotations

from pipelines.dashboards.panels import Dashboard, Panel, Query

_RATE = "[1m]"
_NO_ERRORS = "no errors"
_NO_PORTFOLIO = "no portfolios"
_PRIOR = "no model trained yet: bids use a prior"


def _rate(metric: str, by: str = "") -> str:
    grouped = f"sum by ({by}) " if by else "sum "
    return f"{grouped}(rate({metric}{_RATE}))"


def _quantile(share: float, metric: str, by: str = "", where: str = "") -> str:
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket{where}{_RATE})))"


def _ratio(above: str, below: str) -> str:
    return f"{above} / ({below} > 0)"


_BID = '{kind="bid"}'
_P99 = _quantile(0.99, "raybid_request_duration_seconds", where=_BID)
_ERRORS = 'sum(rate(raybid_no_bids_total{reason=~"stage_failed|no_bidder|timeout"}[1m]))'

_OVERVIEW = Dashboard(
    "overview",
    "Raybid: overview",
    (
        Panel(
            "Parts that answer", "none", (Query("min by (part) (raybid_part_up)", "{{part}}"),), "1 is good.", "latest"
        ),
        Panel("Ready to bid", "none", (Query("min(raybid_ready)", "ready"),), "0: the replica cannot bid.", "latest"),
        Panel("Requests", "reqps", (Query(_rate("raybid_requests_total"), "requests"),), "Bid requests a second."),
        Panel(
            "Answers with a bid",
            "percentunit",
            (Query(_ratio(_rate("raybid_bid_responses_total"), _rate("raybid_requests_total")), "bid rate"),),
            "Share of requests. The dashboard of requests and answers shows why others get no bid.",
        ),
        Panel(
            "Latency",
            "s",
            (Query(_quantile(0.5, "raybid_request_duration_seconds", where=_BID), "p50"), Query(_P99, "p99")),
            "Of bid requests, in the Router. The alert is at 100 ms.",
        ),
        Panel(
            "Errors",
            "percentunit",
            (Query(_ratio(_ERRORS, _rate("raybid_requests_total")), "errors", _NO_ERRORS),),
            "Requests lost to a stage that failed or to the clock. The alert is at 1%.",
        ),
        Panel("Spend", "micros", (Query(_rate("raybid_spent_micros_total"), "a second"),), "Money charged."),
        Panel(
            "Win rate",
            "percentunit",
            (
                Query(
                    _ratio(
                        _rate("raybid_campaign_impressions_total"),
                        _rate("raybid_campaign_bids_total"),
                    ),
                    "won",
                ),
            ),
            "Charged bids as a share of all bids.",
        ),
    ),
)

_API = Dashboard(
    "api",
    "Raybid: requests and answers",
    (
        Panel(
            "By exchange and outcome",
            "reqps",
            (Query(_rate("raybid_exchange_requests_total", "exchange, outcome"), "{{exchange}} {{outcome}}"),),
            "Shed: dropped unread, to answer others in time. Refused: answered with 4xx.",
        ),
        Panel(
            "No bid, by reason",
            "reqps",
            (Query(_rate("raybid_no_bids_total", "reason"), "{{reason}}", "all requests got a bid"),),
            "The reasons are those of docs/metrics.md.",
        ),
        Panel(
            "Refused, by reason",
            "reqps",
            (Query(_rate("raybid_invalid_requests_total", "reason"), "{{reason}}", "no invalid requests"),),
            "Requests answered with 4xx.",
        ),
        Panel(
            "Security events",
            "reqps",
            (Query(_rate("raybid_security_events_total", "event"), "{{event}}", "no security events"),),
            "Refused callers, forged notices, and changes; the log says by whom.",
        ),
        Panel(
            "Notices, by kind and outcome",
            "reqps",
            (Query(_rate("raybid_notices_total", "kind, outcome"), "{{kind}} {{outcome}}"),),
            "Settled is money; a duplicate was sent again and counts once.",
        ),
        Panel(
            "Latency by kind",
            "s",
            (Query(_quantile(0.99, "raybid_request_duration_seconds", "kind"), "{{kind}} p99"),),
            "Notices wait for the ledger's disk.",
        ),
        Panel(
            "Stages",
            "s",
            (Query(_quantile(0.95, "raybid_stage_duration_seconds", "stage"), "{{stage}} p95"),),
            "Per batch; score and decide include the network hop.",
        ),
        Panel(
            "Requests in a batch",
            "short",
            (
                Query(_quantile(0.5, "raybid_batch_requests"), "p50"),
                Query(_quantile(0.95, "raybid_batch_requests"), "p95"),
            ),
            "Batches grow with the load.",
        ),
        Panel(
            "Found in caches",
            "percentunit",
            (
                Query(
                    'sum by (cache) (rate(raybid_cache_lookups_total{outcome="hit"}[1m]))'
                    " / (sum by (cache) (rate(raybid_cache_lookups_total[1m])) > 0)",
                    "{{cache}}",
                ),
            ),
            "Share of lookups in caches between requests.",
        ),
    ),
)

_CAMPAIGNS = Dashboard(
    "campaigns",
    "Raybid: campaigns and portfolio",
    (
        Panel(
            "Spend by campaign",
            "micros",
            (Query(_rate("raybid_campaign_spent_micros_total", "campaign"), "{{campaign}}"),),
            "Per second. The fifty campaigns that spent most; the rest is one series.",
        ),
        Panel(
            "Pacing error",
            "percentunit",
            (Query("raybid_campaign_pacing_error", "{{campaign}}"),),
            "Share of the budget spent minus share of the time passed: 0 is on plan.",
        ),
        Panel(
            "Budget left",
            "percentunit",
            (
                Query(
                    "1 - raybid_campaign_spent_micros_total / on (campaign) (raybid_campaign_budget_micros > 0)",
                    "{{campaign}}",
                ),
            ),
            "Share of the whole budget.",
            "latest",
        ),
        Panel(
            "Where the money is",
            "micros",
            (Query('raybid_money_micros{pot!="budget"}', "{{pot}}"),),
            "Available, leased to bidders, reserved for open bids, spent. They add up to the budgets.",
        ),
        Panel(
            "Click rate",
            "percentunit",
            (
                Query(
                    _ratio(
                        "sum by (campaign) (raybid_campaign_clicks_total)",
                        "sum by (campaign) (raybid_campaign_impressions_total)",
                    ),
                    "{{campaign}}",
                ),
            ),
            "Clicks per charged bid.",
        ),
        Panel(
            "Cost of a click",
            "micros",
            (
                Query(
                    _ratio(
                        "sum by (campaign) (raybid_campaign_spent_micros_total)",
                        "sum by (campaign) (raybid_campaign_clicks_total)",
                    ),
                    "{{campaign}}",
                ),
            ),
            "eCPC: spend by clicks.",
        ),
        Panel(
            "Revenue",
            "micros",
            (
                Query("sum(raybid_campaign_value_micros)", "worth"),
                Query("sum(raybid_campaign_spent_micros_total)", "spend"),
            ),
            "Value of clicks or conversions by the current goals, beside their cost.",
        ),
        Panel(
            "Moved by portfolios",
            "micros",
            (Query("raybid_campaign_moved_micros", "{{campaign}}"),),
            "Received from other campaigns; negative if more was given.",
        ),
        Panel(
            "Return of portfolios",
            "percentunit",
            (
                Query(
                    "raybid_portfolio_value_micros / on (portfolio) (raybid_portfolio_spent_micros_total > 0) - 1",
                    "{{portfolio}}",
                    _NO_PORTFOLIO,
                ),
            ),
            "(value - spend) / spend of the members.",
        ),
    ),
)

_MODELS = Dashboard(
    "models",
    "Raybid: models and learning",
    (
        Panel("Model in use", "none", (Query("raybid_model_info", "{{kind}} {{version}}"),), "1 each.", "latest"),
        Panel(
            "Age of the model",
            "s",
            (Query("time() - raybid_model_created_timestamp_seconds", "{{kind}}", _PRIOR),),
            "Time since training. The alert is at three days.",
            "latest",
        ),
        Panel(
            "Replicas by what they serve",
            "short",
            (Query("raybid_model_replicas", "{{kind}} {{state}}"),),
            "Refused: could not load the published model.",
        ),
        Panel(
            "Clicks predicted and seen",
            "short",
            (
                Query("increase(raybid_predicted_clicks_micros_total[10m]) / 1e6", "predicted"),
                Query("increase(raybid_observed_clicks_total[10m])", "seen"),
            ),
            "On charged bids, over ten minutes.",
        ),
        Panel(
            "Calibration",
            "none",
            (
                Query(
                    "increase(raybid_observed_clicks_total[10m])"
                    " / (increase(raybid_predicted_clicks_micros_total[10m]) / 1e6 > 0)",
                    "seen / predicted",
                ),
            ),
            "1 is right; above 1, the model predicts too few clicks. Clicks come later than charges.",
        ),
        Panel(
            "Leases",
            "short",
            (Query(_rate("raybid_leases_total", "outcome"), "{{outcome}}"),),
            "Lease requests per second. Refused: nothing was left to lease.",
        ),
    ),
)

_INFRASTRUCTURE = Dashboard(
    "infrastructure",
    "Raybid: infrastructure",
    (
        Panel("Scraped", "none", (Query("up", "{{job}} {{instance}}"),), "1: Prometheus reaches it.", "latest"),
        Panel(
            "Replicas wanted",
            "short",
            (Query("max by (deployment) (ray_serve_autoscaling_target_replicas)", "{{deployment}}"),),
            "Target of autoscaling.",
        ),
        Panel(
            "Room to scale",
            "short",
            (
                Query(
                    "max by (deployment) (ray_raybid_replicas_most)"
                    " - max by (deployment) (ray_serve_autoscaling_target_replicas)",
                    "{{deployment}}",
                ),
            ),
            "Replicas left to add. Staying at 0 raises an alert, where more than one is allowed.",
        ),
        Panel(
            "Processor of nodes",
            "percentunit",
            (Query("avg by (ip) (ray_node_cpu_utilization) / 100", "{{ip}}"),),
            "Average over the cores of a node.",
        ),
        Panel(
            "Memory of nodes",
            "bytes",
            (Query("max by (ip) (ray_node_mem_used)", "{{ip}}"),),
            "Memory in use.",
        ),
        Panel(
            "Events not yet in Parquet",
            "short",
            (Query("max(raybid_event_backlog)", "events"),),
            "Grows while the Controller or its disk is unavailable.",
        ),
        Panel("Age of the oldest", "s", (Query("max(raybid_event_lag_seconds)", "lag"),), "Of these events."),
        Panel(
            "Records dropped",
            "short",
            (
                Query(_rate("raybid_bid_events_dropped_total"), "bid events a second", "the stream never was full"),
                Query(_rate("raybid_decisions_dropped_total"), "decisions a second", "the Controller kept up"),
            ),
            "Dropped when a buffer was full; never money. A bid without its decision cannot be explained.",
        ),
    ),
)

DASHBOARDS = (_OVERVIEW, _API, _CAMPAIGNS, _MODELS, _INFRASTRUCTURE)
