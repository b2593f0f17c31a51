"""What operators do that is no move of a message: limits, pauses, tokens of the HTTP API."""

from __future__ import annotations

from tests.integration.ledger.walker import Walker
from tests.rig import APPLICATION
from wooshq.ledger.gates import Heard, Shut
from wooshq.ledger.states import Mark
from wooshq.tokens.calls import make_token, revoke_token


def a_person_sets_limits_and_pauses_a_lane(walk: Walker) -> None:
    gates, name = walk.ledger.gates, walk.job(rate=2.0)
    walk.do(gates.set_limit("rate", APPLICATION, "5.0", why="slow", by="ana"))
    walk.do(gates.set_limit("share", "*", "0.5", why="", by="ana"))
    assert walk.taken_now(walk.accepted(lane="bulk")) is not None
    assert walk.watched.redis.hexists(walk.keys.pace(APPLICATION), "tat"), "the limit counts"
    walk.do(gates.set_limit("rate", APPLICATION, "", why="", by="ana"))
    walk.do(gates.report(APPLICATION, Heard(), [Shut("not_before", "slow down")]))
    assert set(walk.do(gates.learned([APPLICATION, "NEVER-MADE1"]))) == {APPLICATION}
    walk.do(gates.open("not_before", APPLICATION))
    walk.do(gates.shut("hand", "*", "noon", by="ana", lane="bulk"))
    assert walk.taken_now(walk.accepted(lane="bulk")) is None
    token = walk.taken(name)
    assert walk.begun(name, token, "0-3") == "held"
    assert walk.taken_now(walk.accepted()) is not None
    assert walk.do(gates.open_all("hand", by="ana")), "of a lane, too"
    assert [walk.do(walk.jobs.set_rate(i, 5.0, "", "ana")) for i in (name.job_id, "nobody")] == ["set", "gone"]
    walk.move(name, "cancel")
    walk.recorded(name, token, [(Mark.CANCELLED, 0, 3)], end="back")
    assert walk.do(walk.jobs.set_rate(name.job_id, None, "", "ana")) == "ended"


def tokens_are_made_and_revoked(walk: Walker) -> None:
    made = walk.do(make_token(walk.keys, "shop", ["send"], "", "ana"))
    assert made.secret
    assert [walk.do(revoke_token(walk.keys, "shop", "", "ana")) for _ in range(2)] == [True, False]


WALKS = [a_person_sets_limits_and_pauses_a_lane, tokens_are_made_and_revoked]
