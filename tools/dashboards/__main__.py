"""``python -m tools.dashboards``: write every board as Grafana reads it."""

from __future__ import annotations

from pathlib import Path

from tools.dashboards.board import as_json
from tools.dashboards.fleet import fleet
from tools.dashboards.itself import itself
from tools.dashboards.model import model
from tools.dashboards.retraining import retraining

FOLDER = Path(__file__).resolve().parents[2] / "docker/grafana/dashboards"


def boards() -> dict[str, str]:
    """The name and the content of each file."""
    return {"fleet.json": as_json(fleet()), "model.json": as_json(model()), "retraining.json": as_json(retraining()), "driftwarden-itself.json": as_json(itself())}


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, content in boards().items():
        (FOLDER / name).write_text(content)
