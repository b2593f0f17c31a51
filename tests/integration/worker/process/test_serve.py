"""`/metrics`, `/healthz` and `/readyz` of real workers."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from tests.rig import TOKEN, Rig, an_intent, wait_until
from tests.stand_in import StandIn
from wooshq_worker.observe.metrics import names

pytestmark = pytest.mark.settings(metrics_address="0")


def addresses(rig: Rig) -> list[str]:
    """Where the workers serve, in the order in which they said so."""
    return [event["address"] for event in rig.events("metrics_served")]


def get(address: str, path: str, accept: str = "") -> tuple[int, str, str]:
    """Status, Content-Type and body."""
    request = urllib.request.Request(f"http://{address}{path}", headers={"Accept": accept})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read().decode()


def metrics(address: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Name of a sample → its labels and values."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in read_text(get(address, "/metrics")[2]):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((dict(sample.labels), sample.value))
    return found


def a_worker(rig: Rig, *options: str) -> str:
    """The address of one more worker, which is ready."""
    n = len(addresses(rig))
    rig.start_worker(*options)
    wait_until(lambda: len(addresses(rig)) > n, saw=rig.logs)
    address = addresses(rig)[n]
    wait_until(lambda: get(address, "/readyz")[0] == 200, saw=rig.logs)
    return address


class WhenAWorkerServes:
    def test_it_counts_what_it_sent_and_shows_no_token_and_no_recipient(self, rig: Rig) -> None:
        address = a_worker(rig)
        sent = [rig.wooshq.enqueue(an_intent("secret-user", lane="transactional")) for _ in range(20)]
        rig.ended(sent)
        wait_until(lambda: ({"lane": "transactional", "verdict": "sent", "code": "OK"}, 20.0) in metrics(address)["wooshq_calls_total"])
        found = metrics(address)
        assert ({"lane": "transactional"}, 20.0) in found["wooshq_accept_to_sent_seconds_count"]
        assert ({"lane": "transactional"}, 20.0) in found["wooshq_call_seconds_count"]
        assert ({"lane": "transactional"}, 20.0) in found["wooshq_taken_total"]
        assert ({"lane": "transactional"}, 256.0) in found["wooshq_worker_slots"]
        assert found["wooshq_worker_ready"] == [({}, 1.0)]
        assert found["process_cpu_seconds_total"][0][1] > 0
        text = get(address, "/metrics", "application/openmetrics-text; version=1.0.0")[2]
        exemplars = {s.exemplar.labels["intent_id"] for family in read_openmetrics(text) for s in family.samples if s.exemplar}
        assert exemplars
        assert exemplars <= set(sent)
        assert TOKEN not in text
        assert "secret-user" not in text

    def test_the_recipients_of_a_job_are_counted_with_its_calls(self, rig: Rig) -> None:
        address = a_worker(rig)
        job = rig.wooshq.fan_out({"message": {"push": {"body": "Hi"}}}, [{"user": f"u{n}"} for n in range(50)])
        rig.wooshq.bulk.wait(job.id)
        wait_until(lambda: ({"outcome": "sent"}, 50.0) in metrics(address).get("wooshq_job_recipients_total", []), saw=rig.logs)
        (calls,) = [value for labels, value in metrics(address)["wooshq_calls_total"] if labels["lane"] == "bulk"]
        assert calls >= 1

    def test_every_metric_of_a_worker_is_there(self, rig: Rig) -> None:
        address = a_worker(rig)
        found = {family.name for family in read_text(get(address, "/metrics")[2])}
        assert {metric.name.removesuffix("_total") for metric in names.OF_A_WORKER if metric is not names.SPANS} <= found

    def test_another_path_is_not_found(self, rig: Rig) -> None:
        assert get(a_worker(rig), "/")[0] == 404


class WhenItIsAskedHowItIs:
    def test_it_is_live_and_ready(self, rig: Rig) -> None:
        address = a_worker(rig)
        for path in ("/healthz", "/readyz"):
            status, content_type, body = get(address, path)
            assert (status, content_type, json.loads(body)) == (200, "application/json", {"live": True, "ready": True, "why": []})

    @pytest.mark.settings(api_token="")
    def test_without_a_token_it_is_live_and_not_ready(self, rig: Rig) -> None:
        rig.start_worker()
        wait_until(lambda: addresses(rig), saw=rig.logs)
        wait_until(lambda: get(addresses(rig)[0], "/healthz")[0] == 200, saw=rig.logs)
        expected = {"live": True, "ready": False, "why": ["PUSHWOOSH_API_TOKEN is not set, so it holds every message"]}
        wait_until(lambda: json.loads(get(addresses(rig)[0], "/readyz")[2]) == expected, saw=rig.logs)
        assert get(addresses(rig)[0], "/readyz")[0] == 503

    def test_one_that_ends_is_not_ready(self, rig: Rig, api: StandIn) -> None:
        address = a_worker(rig)
        api.latency_s = 3.0  # it waits for the answer before it ends
        rig.wooshq.enqueue(an_intent())
        wait_until(lambda: api.under_way, saw=rig.logs)
        rig.workers[0].terminate()

        def answers() -> list[Any]:
            try:
                return [get(address, "/readyz")[0]]
            except (urllib.error.URLError, OSError):
                return ["gone"]

        wait_until(lambda: answers()[0] in (503, "gone"), saw=rig.logs)


class WhenTheAddressIsTaken:
    def test_the_worker_says_so_and_sends_all_the_same(self, rig: Rig) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            rig.env["WOOSHQ_METRICS_ADDRESS"] = str(taken.getsockname()[1])
            rig.start_worker()
            assert [status.state for status in rig.ended([rig.wooshq.enqueue(an_intent())])] == ["sent"]
            (said,) = rig.events("metrics_not_served")
            assert (said["level"], said["ports"]) == ("error", [taken.getsockname()[1]] * 2)

    def test_of_a_range_each_worker_takes_the_first_free_port(self, rig: Rig) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            first = taken.getsockname()[1]
            rig.env["WOOSHQ_METRICS_ADDRESS"] = f"{first}-{min(first + 20, 65535)}"
            ports = [int(a_worker(rig).rpartition(":")[2]) for _ in range(2)]
        assert first < ports[0] < ports[1] <= first + 20
