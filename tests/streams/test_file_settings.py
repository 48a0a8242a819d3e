"""What the command line overrides is checked with the rest of the monitor."""

import pytest

from detectors.errors import SettingsError
from detectors.specification import MonitorSpecification
from streams.file_settings import changed


def test_a_setting_that_cannot_be_meant_is_told_by_its_option() -> None:
    with pytest.raises(SettingsError, match=r"^--pane: pane must be > 0 ms"):
        changed(MonitorSpecification(model="m"), pane=0)


def test_settings_that_do_not_go_together_are_told_in_words() -> None:
    by_day = MonitorSpecification(model="m", reference={"kind": "previous_period", "period": "1d"})
    with pytest.raises(SettingsError, match=r"^reference.period must be a whole number of panes \(7m each\)"):
        changed(by_day, pane="7m")
