"""The metrics that Prometheus reads."""

import httpx
from prometheus_client import generate_latest
from support.process import StartProcess
from support.upstream import RawUpstream
from support.waiting import eventually

from chassis_testing.ports import free_port
from gateway.metrics import Metrics


def scrape(metrics: Metrics) -> list[str]:
    return generate_latest(metrics.registry).decode().splitlines()


def test_requests_durations_and_requests_in_flight_are_measured() -> None:
    metrics = Metrics()
    metrics.started("/posts")
    metrics.started("/posts")
    metrics.finished("/posts", "blog-service", "GET", 200, 0.003)
    lines = scrape(metrics)
    labels = 'method="GET",route="/posts",status="2xx",upstream="blog-service"'
    assert 'gateway_in_flight{route="/posts"} 1.0' in lines
    assert f"gateway_request_duration_seconds_count{{{labels}}} 1.0" in lines
    assert f'gateway_request_duration_seconds_bucket{{le="0.0025",{labels}}} 0.0' in lines
    assert f'gateway_request_duration_seconds_bucket{{le="0.005",{labels}}} 1.0' in lines
    assert f"gateway_request_duration_seconds_sum{{{labels}}} 0.003" in lines


def test_retries_ejections_and_limited_requests_are_counted() -> None:
    metrics = Metrics()
    metrics.retried.labels("blog-service").inc()
    metrics.left_out.labels("platform-service").inc()
    metrics.limited.labels("/auth").inc()
    lines = scrape(metrics)
    assert 'gateway_retries_total{upstream="blog-service"} 1.0' in lines
    assert 'gateway_replicas_left_out_total{upstream="platform-service"} 1.0' in lines
    assert 'gateway_limited_total{route="/auth"} 1.0' in lines


def test_answers_of_an_upstream_whose_storage_is_full_are_counted() -> None:
    metrics = Metrics()
    for status in (507, 507, 503):
        metrics.started("/posts")
        metrics.finished("/posts", "blog-service", "POST", status, 0.003)
    assert 'gateway_storage_full_total{upstream="blog-service"} 2.0' in scrape(metrics)


def test_the_metrics_port_shows_the_proxied_requests(
    start: StartProcess, upstream: RawUpstream
) -> None:
    port = free_port()
    it = start(GATEWAY_BLOG_SERVICE_URL=upstream.url, GATEWAY_METRICS_PORT=str(port))
    it.wait_until_up()
    for path in ("/posts", "/posts/1", "/posts/%0A", "/nope"):
        httpx.get(f"http://127.0.0.1:{it.port}{path}")
    count = "gateway_request_duration_seconds_count"
    blog = 'method="GET",route="/posts"'
    expected = {
        f'{count}{{{blog},status="2xx",upstream="blog-service"}} 2.0',
        f'{count}{{{blog},status="4xx",upstream="blog-service"}} 1.0',
        f'{count}{{method="GET",route="gateway",status="4xx",upstream=""}} 1.0',
        'gateway_in_flight{route="/posts"} 0.0',
    }

    def is_told() -> bool:
        lines = httpx.get(f"http://127.0.0.1:{port}/metrics").text.splitlines()
        return expected <= set(lines)

    eventually(is_told)


def test_unknown_methods_share_a_label() -> None:
    metrics = Metrics()
    for method in ("BREW", "PROPFIND", "GET"):
        metrics.started("/posts")
        metrics.finished("/posts", "", method, 404, 0.1)
    counted = [line for line in scrape(metrics) if "_seconds_count{" in line]
    assert [line.partition(",")[0] for line in sorted(counted)] == [
        'gateway_request_duration_seconds_count{method="GET"',
        'gateway_request_duration_seconds_count{method="other"',
    ]


def test_gateways_in_one_process_count_separately() -> None:
    one, other = Metrics(), Metrics()
    one.limited.labels("/auth").inc()
    assert not [line for line in scrape(other) if line.startswith("gateway_limited_total{")]
