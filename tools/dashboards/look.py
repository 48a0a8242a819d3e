"""Colours and states: told apart by those who see no red or green, and always with a word beside the colour."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import FieldColor, ThresholdsConfig
from grafana_foundation_sdk.models.dashboard import (
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)

GREEN, SKY, ORANGE, VERMILION, PURPLE, BLUE, YELLOW, GREY = "#009E73", "#56B4E9", "#E69F00", "#D55E00", "#CC79A7", "#0072B2", "#F0E442", "#999999"
"""The palette of Okabe & Ito (2008)."""

STATES = {0: ("ok", GREEN), 1: ("learning", SKY), 2: ("insufficient data", GREY), 3: ("warning", ORANGE), 4: ("drift", VERMILION), 5: ("not trustworthy", PURPLE)}
"""Of a monitor, by `detectors.verdict.Status`; the larger, the worse."""


def states() -> ValueMap:
    """The words of a state in place of its number."""
    return words({str(number): state for number, state in STATES.items()})


def words(meant: dict[str, tuple[str, str]]) -> ValueMap:
    """Words and colours of values."""
    return ValueMap(options={value: ValueMappingResult(text=text, color=colour, index=place) for place, (value, (text, colour)) in enumerate(meant.items())})


def limits(*steps: tuple[float | None, str]) -> ThresholdsConfig:
    """Colours from a value on; the first is of all that is smaller."""
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps([Threshold(value=value, color=colour) for value, colour in steps])


def fixed(colour: str) -> FieldColor:
    """One colour."""
    return FieldColor().mode(FieldColorModeId.FIXED).fixed_color(colour)


def by_limits() -> FieldColor:
    """The colour of the threshold that a value is above."""
    return FieldColor().mode(FieldColorModeId.THRESHOLDS)


def drawn(colour: str, *, dashed: bool = False) -> list[DynamicConfigValue]:
    """A line's colour, and its dashes: lines differ in both."""
    style = [DynamicConfigValue(id_val="custom.lineStyle", value={"fill": "dash", "dash": [8, 6]})] if dashed else []
    return [DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": colour}), *style]


def band(colour: str, low: str) -> list[DynamicConfigValue]:
    """The upper end of an interval, filled down to its lower end."""
    return [
        *drawn(colour),
        DynamicConfigValue(id_val="custom.lineWidth", value=0),
        DynamicConfigValue(id_val="custom.fillBelowTo", value=low),
        DynamicConfigValue(id_val="custom.fillOpacity", value=20),
        DynamicConfigValue(id_val="custom.hideFrom", value={"legend": True, "tooltip": False, "viz": False}),
    ]


def unseen(colour: str) -> list[DynamicConfigValue]:
    """The lower end of an interval: the band's edge is enough."""
    return [
        *drawn(colour),
        DynamicConfigValue(id_val="custom.lineWidth", value=0),
        DynamicConfigValue(id_val="custom.hideFrom", value={"legend": True, "tooltip": False, "viz": False}),
    ]
