"""The boards are what their code says, are dashboards, and can be read by those who did not draw them.

Types are held by mypy, which checks ``tools.dashboards`` against the models of grafana-foundation-sdk, made from Grafana's own schema; here the SDK reads
each file back, which loses what it does not know. What no schema can say is asked.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from tools.dashboards import look
from tools.dashboards.__main__ import FOLDER, boards

ROOT = Path(__file__).parents[2]
FILES: dict[str, dict[str, Any]] = {path.name: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
PANELS = [pytest.param(board, panel, id=f"{name}: {panel['title']}") for name, board in FILES.items() for panel in board["panels"]]
PALETTE = {value for name, value in vars(look).items() if name.isupper() and isinstance(value, str)} | {"transparent"}
BUILT_IN = {"__url_time_range", "__field.labels", "__field.name", "__value.raw"}


def variables_of(text: str) -> set[str]:
    return {name for name in re.findall(r"\$\{([\w.]+?)(?::\w+)?\}", text) if not any(name == known or name.startswith(known + ".") for known in BUILT_IN)}


def everything(value: Any, key: str) -> list[Any]:
    """All values under a key, however deep."""
    if isinstance(value, dict):
        return [found for name, part in value.items() for found in ([part] if name == key else []) + everything(part, key)]
    return [found for part in value for found in everything(part, key)] if isinstance(value, list) else []


def test_the_files_are_what_the_code_makes() -> None:
    assert {path.name: path.read_text() for path in FOLDER.glob("*.json")} == boards(), "write them anew: make dashboards"


@pytest.mark.parametrize("name", FILES)
def test_a_board_is_a_dashboard_of_grafana(name: str) -> None:
    queries = {"targets", "annotations"}  # the SDK knows no query of InfluxDB's
    panels = [{key: value for key, value in panel.items() if key not in queries} for panel in FILES[name]["panels"]]
    board = {key: value for key, value in FILES[name].items() if key not in queries} | {"panels": panels}
    read = json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))
    assert read | {"annotations": {}} == board | {"annotations": {}}
    assert board["schemaVersion"] == 37, "newer ones are not read by Grafana 9.3"


@pytest.mark.parametrize("name", FILES)
def test_panels_have_names_of_their_own_and_lie_beside_one_another(name: str) -> None:
    panels = FILES[name]["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= 24, f"{panel['title']} is wider than the board"
        assert not cells & taken, f"{panel['title']} lies on another panel"
        taken |= cells


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_a_panel_says_what_to_do_and_asks_our_influxdb(board: dict[str, Any], panel: dict[str, Any]) -> None:
    provisioned = yaml.safe_load((ROOT / "docker/grafana/provisioning/datasources/driftwarden.yml").read_text())["datasources"][0]
    assert len(panel["description"]) > 60
    assert panel["targets"]
    assert {target["refId"] for target in panel["targets"]} == set("ABCDEF"[: len(panel["targets"])])
    for source in (panel["datasource"], *(target["datasource"] for target in panel["targets"])):
        assert source == {"type": provisioned["type"], "uid": provisioned["uid"]}
    assert panel["pluginVersion"] == "9.3.0"
    assert variables_of(json.dumps(panel)) <= {variable["name"] for variable in board["templating"].get("list", [])}


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_no_colour_is_outside_of_the_palette_that_everybody_can_tell_apart(board: dict[str, Any], panel: dict[str, Any]) -> None:
    colours = [value for key in ("color", "fixedColor") for value in everything(panel["fieldConfig"], key) if isinstance(value, str)]
    assert set(colours) <= PALETTE
    modes = {value["mode"] for value in everything(panel["fieldConfig"], "color") if isinstance(value, dict)}
    assert modes <= {"thresholds", "fixed", "palette-classic"}


def test_every_state_of_a_monitor_has_a_word_and_a_colour_of_its_own() -> None:
    from detectors.verdict import Status

    assert {status.value: status.name.lower().replace("_", " ") for status in Status} == {number: word for number, (word, _) in look.STATES.items()}
    assert len({colour for _, colour in look.STATES.values()}) == len(look.STATES)


def test_links_lead_to_boards_and_variables_that_exist() -> None:
    uids = {board["uid"]: board for board in FILES.values()}
    assert len(uids) == len(FILES) == 4
    links = [url for board in FILES.values() for url in everything(board, "url") if url]
    assert len(links) >= 3
    for url in links:
        uid, chosen = re.fullmatch(r"/d/([\w-]+)\?(.*)", url).groups()  # type: ignore[union-attr]  # what does not match fails
        assert set(re.findall(r"var-(\w+)=", chosen)) <= {variable["name"] for variable in uids[uid]["templating"]["list"]}
    assert all(link["tags"] == ["driftwarden"] and "driftwarden" in board["tags"] for board in FILES.values() for link in board["links"])


def test_the_page_names_every_panel_of_every_board() -> None:
    page = (ROOT / "docs/grafana.md").read_text()
    for board in FILES.values():
        (told,) = re.findall(rf"^\| \*{re.escape(board['title'].removeprefix('Driftwarden: '))}\* \|.*\| (.*) \|$", page, re.MULTILINE)
        assert told.split("; ") == [panel["title"] for panel in board["panels"]]


def test_compose_mounts_what_is_provisioned_and_gives_what_it_reads() -> None:
    grafana = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["grafana"]
    mounts = {target: ROOT / source for source, target in (volume.split(":")[:2] for volume in grafana["volumes"])}
    (provider,) = yaml.safe_load((ROOT / "docker/grafana/provisioning/dashboards/driftwarden.yml").read_text())["providers"]
    assert mounts[provider["options"]["path"]] == FOLDER
    source = (mounts["/etc/grafana/provisioning"] / "datasources/driftwarden.yml").read_text()
    assert set(re.findall(r"\$([A-Z_]+)", source)) <= set(grafana["environment"])
    home = Path(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (mounts[str(home.parent)] / home.name).exists()
