"""``driftwarden retrain``: ask for a training, and read what the retrainer decided, and why."""

from __future__ import annotations

import getpass
import time
import uuid
from typing import Annotated, Literal

import msgspec
import typer
from rich.markup import escape
from rich.table import Table as Shown

from detectors.errors import EventError, SettingsError
from detectors.rfc3339 import format_time, parse_time
from retrainer.decision import Decision
from retrainer.versions import Request, Version
from streams.asking import Asking, read_decisions
from streams.cli.options import Bootstrap, Json, Prefix, messages, print_json, results
from streams.connection import connect
from streams.wire import encode_decision

app = typer.Typer(help="Ask for a training, and read what was decided on trainings, and why.", no_args_is_help=True)

_EXIT_CODES = {"promoted": 0, "rejected": 1, "open": 2}


@app.command()
def request(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    why: Annotated[str, typer.Option(help="Why; it is kept with the decision.")] = "",
    by: Annotated[str | None, typer.Option(help="Who asks: a person, or a pipeline such as ci:main; default: your user name.", show_default=False)] = None,
    since: Annotated[str | None, typer.Option(help="RFC 3339: train on labels that became known from then on; default: the newest.", show_default=False)] = None,
    until: Annotated[str | None, typer.Option(help="RFC 3339: and before then.", show_default=False)] = None,
    mode: Annotated[Literal["batch", "online"], typer.Option(help="How to train, where the trainer can do both.")] = "batch",
    request_id: Annotated[str | None, typer.Option("--id", help="Name of the request; the same one is answered once, however often it is sent.", show_default=False)] = None,
    wait: Annotated[float | None, typer.Option(min=0, help="Seconds to wait for the verdict; then the exit code tells it.", show_default=False)] = None,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
    json: Json = False,
) -> None:
    """Ask for a training.

    With --wait the exit code is the verdict: 0 for promoted, 1 for rejected, 2 for neither: nothing was proved, a person has the last word, or the time was up.
    """
    asked = Request(
        request_id=request_id or f"r-{uuid.uuid4().hex[:12]}",
        model=model,
        mode=mode,
        reason=why,
        cause=by or getpass.getuser(),
        requested_at=time.time_ns() // 1_000_000,
        since=_time("--since", since),
        until=_time("--until", until),
    )
    if asked.since is not None and asked.until is not None and asked.since >= asked.until:
        raise SettingsError(f"--since must be before --until, got {since} and {until}; no row can be between them")
    asking = Asking(asked, connect(bootstrap, topic_prefix=prefix))
    try:
        asking.send()
        if wait is None:
            print_json({"request_id": asked.request_id}) if json else results().print(f"request {asked.request_id} was sent; follow it with: driftwarden retrain decisions {model}")
            return
        # All that is decided on it is told when its training has ended, and while another one is under way nothing is read at all.
        said = f"request {asked.request_id} was sent; waiting at most {wait:g} s for what comes of it, which a retrainer tells when its training has ended"
        messages().print(escape(said), style="dim")
        outcome = asking.outcome(wait, _tell)
    finally:
        asking.close()
    if json:
        print_json(msgspec.to_builtins(outcome))
    else:
        which = f"version {outcome.version} " if outcome.version else ""
        results().print(f"{which}{outcome.verdict}: {escape(outcome.reason)}")
    raise typer.Exit(_EXIT_CODES[outcome.verdict])


@app.command()
def decisions(
    model: Annotated[str | None, typer.Argument(help="Only this model's.", show_default=False)] = None,
    cause: Annotated[str | None, typer.Option(help="Only those of this alert, request or slot of the schedule.", show_default=False)] = None,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON Lines, one decision a line, and nothing else, on standard output.")] = False,
) -> None:
    """Print what was decided, on which event, and why: not to retrain is a decision, too."""
    found = [one for one in read_decisions(connect(bootstrap, topic_prefix=prefix), model) if cause is None or one.cause == cause]
    if json:
        for decision in found:
            typer.echo(encode_decision(decision))
        return
    if not found:
        results().print("nothing was decided yet" + (f" for {model}" if model else ""))
        return
    table = Shown()
    for heading in ("at", "model", "event", "decision", "cause", "reason"):
        table.add_column(heading)
    for one in found:
        table.add_row(*map(escape, (format_time(one.at), one.model, one.event, one.instruction, one.cause, one.reason)))
    results().print(table)


def _tell(answer: Decision | Version) -> None:
    said = f"{answer.instruction}: {answer.reason}" if isinstance(answer, Decision) else f"version {answer.version} {answer.status.replace('_', ' ')}"
    messages().print(escape(said), style="dim")


def _time(option: str, text: str | None) -> int | None:
    try:
        return None if text is None else parse_time(text)
    except EventError as error:
        raise SettingsError(f"{option}: {error.reason}; give a time such as 2026-01-31T12:00:00Z") from None
