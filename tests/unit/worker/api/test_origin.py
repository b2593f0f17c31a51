"""Who wrote an answer: a lost answer seen through a proxy is unknown, and a router that never saw the message kills none."""

from __future__ import annotations

import pytest

from tests.unit.worker.api.answers import a_violation, an_answer, an_envelope, the_verdict, then_of
from wooshq_worker.api.table import Then
from wooshq_worker.api.verdict import Dead, Hold, Unknown

NGINX_502 = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
    b"<hr><center>nginx/1.22.1</center>\r\n</body>\r\n</html>\r\n"
)
NGINX_503 = NGINX_502.replace(b"502 Bad Gateway", b"503 Service Temporarily Unavailable")
HAPROXY_502 = b"<html><body><h1>502 Bad Gateway</h1>\nThe server returned an invalid or incomplete response.\n</body></html>\n"
HAPROXY_503 = b"<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>\n"
ALB_502 = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n"
ALB_503 = ALB_502.replace(b"502 Bad Gateway", b"503 Service Temporarily Unavailable")
CLOUDFLARE_502 = (
    b"<!DOCTYPE html>\n<html><head><title>shop.example | 502: Bad gateway</title></head><body>cloudflare Ray ID: 8f</body></html>"
)
ENVOY = "upstream connect error or disconnect/reset before headers. "
APACHE_503 = (
    b'<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">\n<html><head>\n<title>503 Service Unavailable</title>\n</head><body>\n'
    b"<h1>Service Unavailable</h1>\n<p>The server is temporarily unable to service your\nrequest due to maintenance downtime or capacity\n"
    b"problems. Please try again later.</p>\n</body></html>\n"
)
VARNISH_503 = b"<html><head><title>503 Backend fetch failed</title></head><body><h3>Guru Meditation:</h3><p>XID: 32770</p></body></html>"

MAY_HAVE_BEEN_ACCEPTED = {
    "nginx 502": (502, NGINX_502),
    "haproxy 502": (502, HAPROXY_502),
    "AWS ALB 502": (502, ALB_502),
    "Cloudflare 502": (502, CLOUDFLARE_502),
    "Cloudflare 502, short": (502, b"error code: 502"),
    "AWS API Gateway 502": (502, b'{"message": "Internal server error"}'),
    "Traefik 502": (502, b"Bad Gateway"),
    "502 with the proxy's own JSON": (502, b'{"code":502,"message":"Bad Gateway"}'),
    "502 without a body": (502, b""),
    "Envoy 503, termination": (503, f"{ENVOY}reset reason: connection termination".encode()),
    "Envoy 503, remote reset": (503, f"{ENVOY}reset reason: remote reset".encode()),
    "Envoy 503, protocol error": (503, f"{ENVOY}reset reason: protocol error".encode()),
    "Envoy 503, old, without a reason": (503, ENVOY.encode()),
    "Envoy 503, after retries": (503, f"{ENVOY}retried and the latest reset reason: connection failure".encode()),
    "Envoy 503, in the gateway's JSON": (503, f'{{"code":503,"message":"{ENVOY}reset reason: remote reset"}}'.encode()),
    "Varnish 503": (503, VARNISH_503),
    "Fastly 503": (503, b"<title>503 first byte timeout</title>"),
    "Node proxy 503": (503, b'{"error":"read ECONNRESET","message":"socket hang up: connection was reset by peer"}'),
    "Node proxy 500": (500, b"Error occurred while trying to proxy: upstream closed the connection"),
    "nginx 504": (504, NGINX_502.replace(b"502 Bad Gateway", b"504 Gateway Time-out")),
}

WAS_NOT_PASSED_ON = {
    "Envoy 503, connection failure": (503, f"{ENVOY}reset reason: connection failure".encode()),
    "Envoy 503, refused": (
        503,
        f"{ENVOY}reset reason: remote connection failure, transport failure reason: delayed connect error: 111".encode(),
    ),
    "Envoy 503, connect timeout": (503, f"{ENVOY}reset reason: connection timeout".encode()),
    "Envoy 503, overflow": (503, f"{ENVOY}reset reason: overflow".encode()),
    "Envoy 503, no host": (503, b"no healthy upstream"),
    "haproxy 503": (503, HAPROXY_503),
    "nginx 503 (limit_req)": (503, NGINX_503),
    "AWS ALB 503 (no target)": (503, ALB_503),
    "Apache 503": (503, APACHE_503),
    "Traefik 503": (503, b"no available server\n"),
    "503 without a body": (503, b""),
}


class WhenAProxyAnswersInsteadOfTheApi:
    @pytest.mark.parametrize(("status", "body"), MAY_HAVE_BEEN_ACCEPTED.values(), ids=MAY_HAVE_BEEN_ACCEPTED)
    def test_a_connection_that_was_lost_behind_it_is_unknown(self, status: int, body: bytes) -> None:
        verdict = the_verdict(an_answer(status, body))
        assert isinstance(verdict, Unknown)
        assert verdict.understood, "it is an accident of the network"

    @pytest.mark.parametrize(("status", "body"), WAS_NOT_PASSED_ON.values(), ids=WAS_NOT_PASSED_ON)
    def test_a_connection_that_was_never_made_is_a_retry(self, status: int, body: bytes) -> None:
        assert then_of(the_verdict(an_answer(status, body))) is Then.RETRY

    @pytest.mark.parametrize("status", [502, 503])
    def test_the_apis_own_envelope_is_judged_by_its_code(self, status: int) -> None:
        for code, then in ((14, Then.RETRY), (13, Then.RETRY), (4, Then.UNKNOWN), (8, Then.RETRY_ALL)):
            assert then_of(the_verdict(an_answer(status, an_envelope(code, ENVOY + "reset reason: remote reset")))) is then


ROUTERS = {
    "gRPC-Gateway, no route": (404, an_envelope(5, "Not Found")),
    "gRPC-Gateway, other method": (501, an_envelope(12, "Method Not Allowed")),
    "gRPC-Gateway, 405 of its own": (405, an_envelope(12, "Method Not Allowed")),
    "gRPC-Gateway, path not parsed": (400, an_envelope(3, "Bad Request")),
    "gRPC, method unknown": (501, an_envelope(12, "unknown service messaging.v2.Messaging")),
    "JSON router": (404, {"code": 404, "message": "Not Found"}),
    "JSON router, 400": (400, {"code": 400, "message": "Bad Request"}),
    "API 1.3's form": (404, {"status_code": 404, "status_message": "404 Not Found"}),
    "Kong": (404, {"message": "no Route matched with those values"}),
    "FastAPI": (404, {"detail": "Not Found"}),
    "Go": (404, b"404 page not found\n"),
    "Go, before any handler": (400, b"400 Bad Request: malformed Host header"),
    "Go, http to https": (400, b"Client sent an HTTP request to an HTTPS server.\n"),
    "nginx, http to https": (400, b"<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>\r\n"),
    "AWS ALB": (400, ALB_502.replace(b"502 Bad Gateway", b"400 Bad Request")),
    "uvicorn": (400, b"Invalid HTTP request received."),
}


class WhenTheRouterAnswersAndNotTheService:
    @pytest.mark.parametrize(("status", "body"), ROUTERS.values(), ids=ROUTERS)
    def test_its_calls_are_held_as_for_any_wrong_address(self, status: int, body: object) -> None:
        verdict = the_verdict(an_answer(status, body))
        assert isinstance(verdict, Hold)
        assert verdict.gate == "circuit"
        assert "PUSHWOOSH_BASE_URL" in verdict.detail

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (404, an_envelope(5, "segment not found")),
            (404, an_envelope(5, "not found")),
            (404, an_envelope(5, "Not Found", [a_violation("segment.code", "unknown")])),
            (404, an_envelope(5, "Preset Not Found")),
            (400, an_envelope(3, "bad request: title is too long")),
            (400, an_envelope(3, 'proto: (line 1:2): unknown field "titel"')),
            (400, {"title": "Bad Request", "status": 400, "detail": "payload.preset is unknown"}),
            (400, {"errors": ["title is too long"]}),
            (400, b"title is too long"),
        ],
    )
    def test_a_service_that_says_what_is_wrong_with_the_message_is_believed(self, status: int, body: object) -> None:
        assert isinstance(the_verdict(an_answer(status, body)), Dead)
