"""What the tests of web apps have: pytest on a suite of an app."""

from __future__ import annotations

from tests.integration.testing.conftest import suite

__all__ = ["suite"]
