"""``driftwarden demo``: the main job, end to end, on a real Kafka."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from detectors.errors import SettingsError


def command(
    seed: Annotated[int, typer.Option(help="of the stream and the trainings")] = 1,
    data: Annotated[Path | None, typer.Option(help="a file of your own (.csv, .csv.gz, .parquet, .jsonl) instead of the loan applications")] = None,
    target: Annotated[str | None, typer.Option(help="column of --data that the model predicts")] = None,
    out: Annotated[Path, typer.Option(help="folder for the report, the models and the logs")] = Path(".driftwarden/demo"),
    rate: Annotated[float, typer.Option(min=1, help="events a second")] = 500,
    influx: Annotated[bool, typer.Option("--influx", help="write the points to InfluxDB, too, as DRIFTWARDEN_INFLUX_... say, for Grafana's boards")] = False,
    stay: Annotated[bool, typer.Option("--stay", help="open the live page, and keep it open until Ctrl-C")] = False,
) -> None:
    """Show the main job: drift, an accident, a change of the concept, and a model that recovers.

    Starts a Kafka of its own on loopback, two workers, the retrainer and an inference service, and stops them again.
    Exit code 0 only if everything happened that should.
    """
    from streams.demo.run import Demonstration  # noqa: PLC0415  scikit-learn and river take seconds to import, which --help need not wait for
    from streams.demo.story import loans, own_file  # noqa: PLC0415

    if (data is None) != (target is None):
        raise SettingsError("--data and --target go together: the file, and the column in it that the model predicts")
    console = Console()
    console.print("training a first champion", highlight=False)
    story = loans(seed) if data is None or target is None else own_file(data, target)
    checks = Demonstration(story, out, console, rate=rate, seed=seed, influx=influx, stay=stay).run()
    if not all(check.happened for check in checks):
        raise typer.Exit(1)
