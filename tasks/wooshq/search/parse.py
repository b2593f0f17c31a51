"""
A query as people write it, made into a tree. Pure.

    query      = all {"OR" all}
    all        = one {["AND"] one}
    one        = "NOT" one | "(" query ")" | condition
    condition  = FIELD ":" value | "tag." value ":" value
    value      = characters without space, quote and bracket | '"' any characters, with \\" and \\\\ '"'
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from wooshq.errors import QueryInvalid
from wooshq.search.tokens import Kind, Token, tokens
from wooshq.search.tree import Field, Is, Not, Since, Tree, Until, all_of, any_of
from wooshq.search.values import moment, problem_of
from wooshq_schemas.validation.names import did_you_mean

_TIMES: Final = ("since", "until")
_NAMES: Final = (*(f"{field}" for field in Field if field is not Field.TAG), "tag.NAME", *_TIMES)
_DEEPEST: Final = 50
"""Brackets and NOTs inside each other."""


def parse(query: str, *, now: datetime) -> Tree:
    """
    The tree of a query. now: aware; `since:2h` counts back from it, so the tree has absolute times and means the same later.

    Raises QueryInvalid with the column of the problem.
    """
    return _Parser(tokens(query), now).whole()


class _Parser:
    def __init__(self, found: Sequence[Token], now: datetime) -> None:
        self._tokens = found
        self._at = 0
        self._now = now

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _took(self, kind: Kind) -> bool:
        if self._next.kind is kind:
            self._at += 1
            return True
        return False

    def whole(self) -> Tree:
        if self._next.kind is Kind.END:
            raise QueryInvalid("The query is empty. Example: state:dead since:2h", self._next.column)
        tree = self._any(0)
        if not self._took(Kind.END):  # only a bracket ends a query early
            raise QueryInvalid("This bracket closes nothing", self._next.column)
        return tree

    def _any(self, depth: int) -> Tree:
        parts = [self._all(depth)]
        while self._took(Kind.OR):
            parts.append(self._all(depth))
        return any_of(*parts)

    def _all(self, depth: int) -> Tree:
        parts = [self._one(depth)]
        while self._took(Kind.AND) or self._next.kind in (Kind.NOT, Kind.OPEN, Kind.CONDITION):
            parts.append(self._one(depth))
        return all_of(*parts)

    def _one(self, depth: int) -> Tree:
        token = self._next
        if depth > _DEEPEST:
            raise QueryInvalid(f"More than {_DEEPEST} brackets and NOTs are inside each other", token.column)
        if self._took(Kind.NOT):
            return Not(self._one(depth + 1))
        if self._took(Kind.OPEN):
            inner = self._any(depth + 1)
            if not self._took(Kind.CLOSE):
                raise QueryInvalid("This bracket is not closed", token.column)
            return inner
        if self._took(Kind.CONDITION):
            return self._condition(token)
        raise QueryInvalid("A condition is missing here. Example: state:dead", token.column)

    def _condition(self, token: Token) -> Tree:
        if token.name in _TIMES and not token.tag:
            try:
                at = moment(token.value, self._now)
            except ValueError as error:
                raise QueryInvalid(f"{token.name}: {error}", token.value_column) from None
            return Since(at) if token.name == "since" else Until(at)
        if token.name == Field.TAG and not token.tag:
            raise QueryInvalid("The name of the tag is missing. Example: tag.order:77", token.column)
        if token.name not in list(Field):
            raise QueryInvalid(f"There is no such field. {did_you_mean(token.name, _NAMES)}", token.column)
        field = Field(token.name)
        if token.tag and (problem := problem_of(field, token.tag)):
            raise QueryInvalid(problem, token.column)
        if problem := problem_of(field, token.value):
            raise QueryInvalid(problem, token.value_column)
        return Is(field, token.value, token.tag)
