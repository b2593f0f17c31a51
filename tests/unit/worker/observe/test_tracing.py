"""Tracing costs nothing while it is off, says what is missing, and keeps a context as a text that it can read again."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Decision, ParentBased, Sampler
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, TraceFlags, TraceState, set_span_in_context

from tests.rig import some_settings
from wooshq import tracing
from wooshq.errors import SettingsInvalid
from wooshq.tracing import NOT_SAMPLED, accepting, context_of, trace_of
from wooshq_worker.doctor.configuration import check
from wooshq_worker.observe.tracing import set_up
from wooshq_worker.observe.tracing.endpoint import endpoint
from wooshq_worker.observe.tracing.sampling import LinkedSampler

SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class WhenItIsOff:
    def test_a_worker_and_an_app_import_nothing_of_opentelemetry(self) -> None:
        code = (
            "import sys; sys.modules['opentelemetry'] = None  # it cannot be imported\n"
            "import wooshq.aio, wooshq_worker.process.worker, wooshq_worker.doctor.examine\n"
            "from wooshq.tracing import accepting\n"
            "from wooshq_worker.observe.tracing.set_up import set_up\n"
            "from wooshq import Settings\n"
            "settings = Settings(_env_file=None)\n"
            "with accepting(settings, 'bulk') as span: assert span.trace == ''\n"
            "assert set_up(settings, 'x') is None\n"
            "sys.exit('wooshq_worker.observe.tracing.exporting' in sys.modules)"
        )
        assert subprocess.run([sys.executable, "-c", code], timeout=120, env={"PYTHONPATH": ":".join(sys.path)}).returncode == 0

    def test_opentelemetrys_own_variable_turns_it_off_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
        assert set_up.set_up(some_settings(tracing=True), "x") is None
        assert {finding.what: finding.level for finding in check(some_settings(tracing=True))}["tracing"] == "warn"


class WhenOpenTelemetryIsNotInstalled:
    def test_a_worker_refuses_to_start_and_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(set_up, "find_spec", lambda name: None)
        with pytest.raises(SettingsInvalid, match=r"pip install 'wooshq\[otel\]'"):
            set_up.set_up(some_settings(tracing=True), "x")

    def test_an_app_enqueues_all_the_same_and_is_told_once(self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
        monkeypatch.setitem(sys.modules, "opentelemetry.trace", None)
        monkeypatch.setattr(tracing, "_said", set())
        for _ in range(3):
            with accepting(some_settings(tracing=True), "bulk") as span:
                span.note(messaging_message_id="i")
            assert span.trace == ""
        assert len(caplog.records) == 1
        assert "wooshq[otel]" in caplog.text


class WhenAContextIsKept:
    @given(
        trace_id=st.integers(1, 2**128 - 1),
        span_id=st.integers(1, 2**64 - 1),
        state=st.dictionaries(st.sampled_from("abc"), st.sampled_from(["x", "y z"])),
    )
    def test_it_is_read_as_it_was(self, trace_id: int, span_id: int, state: dict[str, str]) -> None:
        context = SpanContext(trace_id, span_id, is_remote=False, trace_flags=SAMPLED, trace_state=TraceState(list(state.items())))
        found = context_of(trace_of(context))
        assert found is not None
        assert (found.trace_id, found.span_id, found.trace_flags) == (trace_id, span_id, SAMPLED)
        assert (dict(found.trace_state), found.is_remote) == (state, True)

    def test_one_that_is_not_recorded_is_a_mark(self) -> None:
        assert trace_of(SpanContext(1, 1, is_remote=False, trace_flags=TraceFlags(0))) == NOT_SAMPLED
        assert context_of(NOT_SAMPLED) is None

    def test_a_state_that_is_too_long_is_left_out(self) -> None:
        state = TraceState([(f"k{n}", "x" * 200) for n in range(3)])
        assert len(trace_of(SpanContext(1, 1, is_remote=False, trace_flags=SAMPLED, trace_state=state))) == 55

    @pytest.mark.parametrize("kept", ["", "-", "x" * 60, f"00-{'0' * 32}-{'0' * 16}-01", f"00-{'g' * 32}-{'1' * 16}-01"])
    def test_what_cannot_be_read_is_no_context(self, kept: str) -> None:
        assert context_of(kept) is None


class WhenASpanHasALinkAndNoParent:
    @pytest.mark.parametrize(
        ("sampler", "linked", "is_recorded"),
        [
            (ParentBased(ALWAYS_OFF), SAMPLED, True),
            (ParentBased(ALWAYS_ON), TraceFlags(0), False),
            (ALWAYS_OFF, SAMPLED, False),
            (ALWAYS_ON, TraceFlags(0), True),
        ],
    )
    def test_the_sampler_decides_as_about_a_child_of_the_linked_one(self, sampler: Sampler, linked: TraceFlags, is_recorded: bool) -> None:
        link = Link(SpanContext(1, 1, is_remote=True, trace_flags=linked))
        decided = LinkedSampler(sampler).should_sample(None, 2, "process", links=[link]).decision
        assert (decided is Decision.RECORD_AND_SAMPLE) == is_recorded

    def test_a_parent_counts_before_a_link(self) -> None:
        parent = set_span_in_context(NonRecordingSpan(SpanContext(1, 1, is_remote=True, trace_flags=TraceFlags(0))))
        link = Link(SpanContext(1, 1, is_remote=True, trace_flags=SAMPLED))
        assert LinkedSampler(ParentBased(ALWAYS_ON)).should_sample(parent, 2, "process", links=[link]).decision is Decision.DROP
        assert LinkedSampler(ParentBased(ALWAYS_OFF)).should_sample(None, 2, "process").decision is Decision.DROP


class WhenAPersonAsksWhereSpansGo:
    @pytest.mark.parametrize(
        ("variables", "shown"),
        [
            ({}, "http://localhost:4318/v1/traces"),
            ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318/"}, "http://collector:4318/v1/traces"),
            ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://u:secret@c.example/x?key=secret"}, "https://c.example/x"),
        ],
    )
    def test_the_doctor_names_the_endpoint_without_secrets(
        self, variables: dict[str, str], shown: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert endpoint() == shown
        (finding,) = [finding for finding in check(some_settings(tracing=True)) if finding.what == "tracing"]
        assert (finding.level, finding.says) == ("ok", f"spans go to {shown}, sampled by parentbased_always_on")

    def test_a_protocol_that_workers_do_not_speak_is_a_warning(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
        (finding,) = [finding for finding in check(some_settings(tracing=True)) if finding.what == "tracing"]
        assert (finding.level, "4318" in finding.mend) == ("warn", True)

    def test_without_tracing_there_is_no_finding(self) -> None:
        assert "tracing" not in {finding.what for finding in check(some_settings())}
