"""``make demo`` in a fresh clone tells the whole story."""

from __future__ import annotations

import pytest

from tests.demo.conftest import LivedDemo


@pytest.mark.timeout(1_200)
def test_make_demo_in_a_fresh_clone_tells_the_whole_story(demo: LivedDemo) -> None:
    assert demo.done.returncode == 0, demo.done.stdout[-6_000:] + demo.done.stderr[-3_000:]
    assert "scoreboard" in demo.done.stdout
    assert (demo.clone / ".driftwarden/demo/report.html").stat().st_size > 100_000
