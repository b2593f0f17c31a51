"""The vocabulary of events, their signatures, and the rules for a receiver's address."""

from __future__ import annotations

import ipaddress
import json
import time
from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from wooshq.events.address import check_url, shown
from wooshq.events.event import KINDS, Body, Event, EventType, JobEnded, WebhookTest, check_types
from wooshq.events.signature import BEGINS, headers, new_secret, sign
from wooshq.events.stored import Stored, entry_of, read_event, to_store
from wooshq.settings.allowed import Allowed

PERSONAL = {
    "recipient",
    "recipients",
    "user",
    "users",
    "hwid",
    "email",
    "phone",
    "text",
    "title",
    "body",
    "tags",
    "detail",
    "payload",
    "key",
}
PUBLIC = "https://shop.example/hook"


class WhenEventsAreNamed:
    def test_every_type_has_a_body_a_version_and_a_sentence(self) -> None:
        assert set(KINDS) == set(EventType)
        assert all(kind.version >= 1 and kind.means.endswith(".") for kind in KINDS.values())

    @pytest.mark.parametrize("kind", EventType)
    def test_no_body_has_a_place_for_a_person_or_a_text(self, kind: EventType) -> None:
        assert not PERSONAL & KINDS[kind].body.model_fields.keys()

    def test_types_are_given_in_any_order_and_checked(self) -> None:
        assert check_types(["job.ended", "messages.dead", "job.ended"]) == ["messages.dead", "job.ended"]
        assert check_types(()) == []
        with pytest.raises(ValueError, match=r"types: must be of messages\.sent"):
            check_types(["messages"])


class WhenAnEventIsStoredAndRead:
    def test_its_text_is_json_with_the_id_that_its_place_gives_it(self) -> None:
        kind, rest = to_store(EventType.WEBHOOK_TEST, WebhookTest(webhook="shop"), "2026-11-28T00:00:00.000Z")
        stored = Stored("1795826421000-3", "k3x9ab", kind, rest)
        assert json.loads(stored.text) == {
            "id": "evt_1795826421000-3_k3x9ab",
            "type": "webhook.test",
            "version": 1,
            "timestamp": "2026-11-28T00:00:00.000Z",
            "data": {"webhook": "shop"},
        }
        assert stored.read() == Event(stored.id, "webhook.test", 1, "2026-11-28T00:00:00.000Z", WebhookTest(webhook="shop"))
        assert entry_of(stored.id) == "1795826421000-3"
        assert entry_of(stored.id, "other") is None
        assert "." not in stored.id, "the signature is made of parts with dots between"

    @pytest.mark.parametrize(
        ("changes", "data"),
        [({"type": "webhook.tried"}, {"webhook": "a"}), ({"version": 2}, {"webhook": "a"}), ({"data": {"name": "a"}}, {"name": "a"})],
    )
    def test_one_of_a_later_version_is_a_plain_object(self, changes: dict[str, object], data: dict[str, str]) -> None:
        said = {"id": "evt_1-1_a", "type": "webhook.test", "version": 1, "timestamp": "", "data": {"webhook": "a"}, **changes}
        assert read_event(json.dumps(said)).data == data

    def test_a_field_that_a_later_version_adds_is_ignored(self) -> None:
        names = dict.fromkeys(JobEnded.model_fields, 1) | dict.fromkeys(("job", "application", "state", "accepted_at", "ended_at"), "x")
        assert isinstance(JobEnded.model_validate({**names, "new": 1}), Body)

    @pytest.mark.parametrize("text", ["[]", "{}", '{"id": 1}'])
    def test_another_text_is_an_error(self, text: str) -> None:
        with pytest.raises(ValueError, match="not an event of wooshq"):
            read_event(text)


class WhenADeliveryIsSigned:
    def test_the_reference_library_accepts_it_with_either_secret(self) -> None:
        secrets, now = [new_secret(), new_secret()], int(time.time())
        signed = headers(secrets, "evt_1-1_a", now, b'{"a": "\xc3\xa4"}')
        for secret in secrets:
            assert secret.startswith(BEGINS)
            assert Webhook(secret).verify(b'{"a": "\xc3\xa4"}', signed) == {"a": "ä"}
        with pytest.raises(WebhookVerificationError):
            Webhook(new_secret()).verify(b'{"a": "\xc3\xa4"}', signed)

    def test_it_is_what_the_reference_library_signs(self) -> None:
        secret, at = new_secret(), datetime.fromtimestamp(1_795_826_421, UTC)
        assert sign(secret, "evt_1-1_a", 1_795_826_421, b"{}") == Webhook(secret).sign("evt_1-1_a", at, "{}")


class WhenAWebhookIsToGoSomewhere:
    @pytest.mark.parametrize(
        "address",
        ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255",
         "::1", "::", "fe80::1", "fc00::1", "fec0::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::1"],
    )  # fmt: skip
    def test_a_private_address_is_refused_unless_it_is_allowed(self, address: str) -> None:
        found = ipaddress.ip_address(address)
        assert not Allowed().has("a.example", found)
        assert Allowed.read("A.example").has("a.example", found)
        if found.version == 4:
            assert Allowed.read(f"{address}/32").has("b.example", found)

    @pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"])
    def test_a_public_address_is_allowed(self, address: str) -> None:
        assert Allowed().has("a.example", ipaddress.ip_address(address))
        assert not Allowed().has_plain("a.example", ipaddress.ip_address(address)), "not without TLS"

    def test_plain_http_goes_only_to_what_is_allowed_by_name(self) -> None:
        allowed = Allowed.read("10.0.0.0/8, hooks.internal")
        assert check_url("http://hooks.internal:8080/a", allowed)
        assert check_url("http://10.1.1.1/a", allowed)
        assert not allowed.has_plain("shop.example", ipaddress.ip_address("93.184.216.34"))
        with pytest.raises(ValueError, match="must begin with https"):
            check_url("http://93.184.216.34/a", allowed)

    @pytest.mark.parametrize("text", ["10.0.0.0/99", "*.internal", "http://a"])
    def test_what_is_neither_a_network_nor_a_host_is_an_error(self, text: str) -> None:
        with pytest.raises(ValueError, match="networks and hosts"):
            Allowed.read(text)

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "shop.example",
            "https://",
            "https://a b",
            "https://shop.example/ä",
            "https://shop.example/#x",
            "https://[::1",
            PUBLIC + "x" * 2000,
        ],
    )
    def test_what_is_no_url_is_refused(self, url: str) -> None:
        with pytest.raises(ValueError, match="url: must"):
            check_url(url, Allowed())

    def test_values_of_its_query_are_not_shown(self) -> None:
        assert shown(PUBLIC) == PUBLIC
        assert shown(PUBLIC + "?token=abc&x=") == PUBLIC + "?token=***&x=***"
        assert "abc" not in shown(PUBLIC + "?abc")
