"""The dashboards: what an operator looks at, from "does it work" to "why"."""

from __future__ import annotations

from pipelines.dashboards.panels import Dashboard, Panel, Query

_RATE = "[1m]"
_NO_ERRORS = "nothing went wrong"
_NO_PORTFOLIO = "no portfolio was made"
_PRIOR = "no model was trained: a prior bids"


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
_ERRORS = 'sum(rate(raybid_no_bids_total{reason=~"stage_failed|timeout"}[1m]))'

_OVERVIEW = Dashboard(
    "overview",
    "Raybid: overview",
    (
        Panel(
            "Parts that answer", "none", (Query("min by (part) (raybid_part_up)", "{{part}}"),), "1 is well.", "latest"
        ),
        Panel(
            "Ready to bid", "none", (Query("min(raybid_ready)", "ready"),), "0: the replica asked cannot bid.", "latest"
        ),
        Panel("Requests", "reqps", (Query(_rate("raybid_requests_total"), "requests"),), "Bid requests a second."),
        Panel(
            "Answers with a bid",
            "percentunit",
            (Query(_ratio(_rate("raybid_bid_responses_total"), _rate("raybid_requests_total")), "bid rate"),),
            "Of requests. What is not bid on has its reason on the page of the API.",
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
            "Charged bids of all bids.",
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
            "Shed: not begun, to be in time for others. Refused: answered with 4xx.",
        ),
        Panel(
            "No bid, by reason",
            "reqps",
            (Query(_rate("raybid_no_bids_total", "reason"), "{{reason}}", "every request got a bid"),),
            "The reasons are those of docs/metrics.md.",
        ),
        Panel(
            "Refused, by reason",
            "reqps",
            (Query(_rate("raybid_invalid_requests_total", "reason"), "{{reason}}", "nobody sent rubbish"),),
            "Requests answered with 4xx.",
        ),
        Panel(
            "Security events",
            "reqps",
            (Query(_rate("raybid_security_events_total", "event"), "{{event}}", "nobody was refused"),),
            "Callers refused, notices forged, and changes; the log says by whom.",
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
            "A notice waits for the ledger's disk.",
        ),
        Panel(
            "Stages",
            "s",
            (Query(_quantile(0.95, "raybid_stage_duration_seconds", "stage"), "{{stage}} p95"),),
            "Of a batch; score and decide with the way there and back.",
        ),
        Panel(
            "Requests in a batch",
            "short",
            (
                Query(_quantile(0.5, "raybid_batch_requests"), "p50"),
                Query(_quantile(0.95, "raybid_batch_requests"), "p95"),
            ),
            "Grow with the load by themselves.",
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
            "What is remembered between requests.",
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
            "A second. The fifty that spent most; the rest is one series.",
        ),
        Panel(
            "Pacing error",
            "percentunit",
            (Query("raybid_campaign_pacing_error", "{{campaign}}"),),
            "Part of the budget gone less part of the time gone: 0 is on plan.",
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
            "Of the whole budget.",
            "latest",
        ),
        Panel(
            "Where the money is",
            "micros",
            (Query('raybid_money_micros{pot!="budget"}', "{{pot}}"),),
            "Available, leased to bidders, reserved for bids under way, spent. They add up to the budgets.",
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
            "Clicks of charged bids.",
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
            "What clicks or conversions are worth by the goals of today, beside what they cost.",
        ),
        Panel(
            "Moved by portfolios",
            "micros",
            (Query("raybid_campaign_moved_micros", "{{campaign}}"),),
            "From others; below 0 where more went away.",
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
            "(worth - spend) / spend of the members.",
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
            "Since its training. The alert is at three days.",
            "latest",
        ),
        Panel(
            "Replicas by what they serve",
            "short",
            (Query("raybid_model_replicas", "{{kind}} {{state}}"),),
            "Refused: could not load what was published.",
        ),
        Panel(
            "Clicks predicted and seen",
            "short",
            (
                Query("increase(raybid_predicted_clicks_micros_total[10m]) / 1e6", "predicted"),
                Query("increase(raybid_observed_clicks_total[10m])", "seen"),
            ),
            "Of charged bids, in ten minutes.",
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
            "1 is right; above, the model predicts too few clicks. Clicks come later than charges.",
        ),
        Panel(
            "Leases",
            "short",
            (Query(_rate("raybid_leases_total", "outcome"), "{{outcome}}"),),
            "Asked of the ledger in a second. Refused: nothing was left to lease.",
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
            "By autoscaling.",
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
            "Replicas more that there may be. 0 for long is an alert, where more than one is allowed.",
        ),
        Panel(
            "Processor of nodes",
            "percentunit",
            (Query("avg by (ip) (ray_node_cpu_utilization) / 100", "{{ip}}"),),
            "All cores of a node.",
        ),
        Panel(
            "Memory of nodes",
            "bytes",
            (Query("max by (ip) (ray_node_mem_used)", "{{ip}}"),),
            "In use.",
        ),
        Panel(
            "Events not yet in Parquet",
            "short",
            (Query("max(raybid_event_backlog)", "events"),),
            "Grow where the Controller or its disk is away.",
        ),
        Panel("Age of the oldest", "s", (Query("max(raybid_event_lag_seconds)", "lag"),), "Of those."),
        Panel(
            "Records dropped",
            "short",
            (
                Query(_rate("raybid_bid_events_dropped_total"), "bid events a second", "the stream always had room"),
                Query(_rate("raybid_decisions_dropped_total"), "decisions a second", "the Controller took them all"),
            ),
            "They found no room; money is never among them. A bid without its decision cannot be explained.",
        ),
    ),
)

DASHBOARDS = (_OVERVIEW, _API, _CAMPAIGNS, _MODELS, _INFRASTRUCTURE)
