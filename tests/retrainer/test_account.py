"""The account of versions: lineage, card and comparison say what was announced, and nothing else."""

from __future__ import annotations

from xml.etree import ElementTree

import msgspec
import pytest

from detectors.errors import SettingsError
from retrainer.approval import awaiting
from retrainer.comparison import comparison
from retrainer.decision import Decision
from retrainer.lineage import TRANSFORMATIONS, lineage
from retrainer.model_card import markdown, model_card
from retrainer.versions import Version, history
from streams.version_name import find_version
from streams.view.lineage_picture import picture
from tests.retrainer.concepts import specification

MINUTE = 60_000


def record(version: str, status: str, at: int, *, uri: str = "u", **more: object) -> Version:
    return msgspec.convert({"model": "loans", "version": version, "status": status, "at": at, "uri": uri, **more}, Version)


def rows(first: int, last: int) -> dict[str, object]:
    return {"topic": "monitoring.examples", "offsets": {"0": [first, last]}, "rows": last - first + 1, "digest": f"sha256:{last}"}


GATE = {"reason": "better", "labels": 6_100, "difference": 0.07, "interval": [0.04, 0.1], "segments": {"north": {"outcome": "insufficient"}, "south": {"outcome": "passed"}}}
MADE = {"parameters": {"trainer": "scikit-learn", "depth": 3}, "provenance": {"seed": 0, "code": "sha256:aa", "packages": {"numpy": "2.4.6"}}}
RECORDS = [
    record("1", "registered", 0, by="bootstrap", cause="bootstrap", trained_on=rows(0, 99)),
    record("1", "promoted", 0, by="bootstrap", cause="bootstrap", gate={"reason": "the first champion"}),
    record("2", "registered", MINUTE, parent="1", cause="a1", trained_on=rows(50, 149), gate={"cause": {"kind": "performance"}}, digest="sha256:22", **MADE),
    record("3", "rejected", 2 * MINUTE, uri="", parent="1", cause="a1", trained_on=rows(50, 300), gate={"reason": "it crashed <here>"}),
    record("2", "promoted", 3 * MINUTE, parent="1", cause="a1", gate=GATE, digest="sha256:22", **MADE),
    record("2", "rolled_back", 4 * MINUTE, parent="1", cause="a1", by="ada", digest="sha256:22"),
    record("4", "registered", 5 * MINUTE, parent="1", cause="a1", trained_on=rows(100, 160), digest="sha256:44"),
    record("4", "promoted", 6 * MINUTE, parent="1", cause="a1", by="mlflow", digest="sha256:44"),
]
KNOWN = {"a1": {"kind": "performance", "summary": "the error rate rose", "opened_at": 30_000}}


def test_trainings_of_a_cause_at_the_same_time_have_each_its_own_reason() -> None:
    records = [record(name, "registered", MINUTE, cause="a1") for name in "12"]
    decisions = [Decision(model="loans", at=MINUTE, event="LabelsArrived", stage="training", instruction="Train", cause="a1", reason=why) for why in ("on all", "on the newest")]
    graph = lineage(records, decisions=decisions)
    assert [graph.node(f"reason of {name}").label for name in "12"] == ["on all", "on the newest"]
    assert lineage(records, version="2", decisions=decisions).node("reason of 2").label == "on the newest"


def test_every_transformation_is_a_node_with_its_time_and_its_outcome() -> None:
    graph = lineage(RECORDS, causes=KNOWN.items())
    assert [(node.label, node.outcome, node.ended) for node in graph.nodes if node.kind in TRANSFORMATIONS] == [
        ("training of 1", "trained", 0),
        ("gate of 1", "promoted", 0),
        ("training of 2", "trained", MINUTE),
        ("gate of 2", "promoted", 3 * MINUTE),
        ("rollback by ada", "rolled back", 4 * MINUTE),
        ("training of 3", "failed", 2 * MINUTE),
        ("training of 4", "trained", 5 * MINUTE),
        ("decision by mlflow", "promoted", 6 * MINUTE),
    ]
    assert graph.node("training of 3").details["reason"] == "it crashed <here>"
    assert (graph.node("cause a1").label, graph.node("cause a1").began) == ("performance alert a1", 30_000)
    assert [graph.node(f"version {number}").outcome for number in "124"] == ["promoted", "rolled back", "champion"]
    into = {(edge.source, edge.label) for edge in graph.edges if edge.target == "training of 2"}
    assert into == {("cause a1", "asks for"), ("examples of 2", "learnt from"), ("version 1", "champion then")}


BROUGHT = [
    record("5", "registered", 7 * MINUTE, parent="4", by="ada", trained_on=rows(0, 9), digest="sha256:55"),
    record("5", "promoted", 8 * MINUTE, parent="4", by="ada", gate={"reason": "it is better elsewhere"}, digest="sha256:55"),
]


def test_a_version_that_a_person_brought_has_a_registration_in_place_of_a_training() -> None:
    graph = lineage([*RECORDS, *BROUGHT], version="5")
    mine = [(node.kind, node.label, node.outcome, node.ended) for node in graph.nodes if node.kind in TRANSFORMATIONS and node.name.split(",")[0].endswith("of 5")]
    assert mine == [("registration", "registration by ada", "registered", 7 * MINUTE), ("decision", "decision by ada", "promoted", 8 * MINUTE)]
    assert {(edge.source, edge.target) for edge in graph.edges if "5" in edge.source + edge.target} == {
        ("version 4", "registration of 5"),
        ("examples of 5", "registration of 5"),
        ("registration of 5", "version 5"),
        ("version 5", "decision of 5, record 1"),
    }
    assert "[[" in picture(graph, "mermaid")
    assert "registration by ada" in picture(graph, "svg")


def test_edges_join_nodes_that_are_there_for_any_part_of_the_history() -> None:
    records = [*RECORDS, *BROUGHT]
    for length in range(1, len(records) + 1):
        for version in (None, *history(records[:length])):
            graph = lineage(records[:length], version=version)
            names = [node.name for node in graph.nodes]
            assert len(names) == len(set(names))
            assert {name for edge in graph.edges for name in (edge.source, edge.target)} <= set(names)


def test_the_lineage_of_one_version_is_its_line_of_parents() -> None:
    assert [node.label for node in lineage(RECORDS, version="4").nodes if node.kind == "version"] == ["version 1", "version 4"]


DECISIONS = [
    Decision(model="loans", at=20_000, event="AlertOpened", stage="serving", instruction="DoNothing", cause="d1", reason="policy 'performance' leaves drift alerts alone"),
    Decision(model="loans", at=30_000, event="AlertOpened", stage="collecting", instruction="Collect", cause="a1", reason="wait for 100 labelled events"),
    Decision(model="loans", at=MINUTE, event="LabelsArrived", stage="training", instruction="Train", cause="a1", reason="100 labelled events for cause a1"),
    Decision(model="loans", at=2 * MINUTE, event="AlertOpened", stage="training", instruction="Postpone", cause="a2", reason="another training is under way"),
    Decision(model="loans", at=9 * MINUTE, event="GateRefused", stage="serving", instruction="DoNothing", cause="a1", reason="cause ended; version 4 serves"),
]


def test_the_lineage_tells_why_there_was_a_training_and_why_others_were_not() -> None:
    graph = lineage(RECORDS, causes=KNOWN.items(), decisions=DECISIONS)
    reasons = [(node.label, node.outcome, node.ended) for node in graph.nodes if node.kind == "reason"]
    assert reasons == [
        ("policy 'performance' leaves drift alerts alone", "no training", 20_000),
        ("another training is under way", "waits", 2 * MINUTE),
        ("100 labelled events for cause a1", "train", MINUTE),
    ]
    into = {edge.source for edge in graph.edges if edge.target == "training of 2"}
    assert "reason of 2" in into
    assert "cause a1" not in into, "the cause asks by way of the reason"
    assert [node.label for node in lineage(RECORDS, version="2", decisions=DECISIONS).nodes if node.kind == "reason"] == ["100 labelled events for cause a1"]


ASKED = Decision(model="loans", at=9 * MINUTE, event="GatePassed", stage="serving", instruction="AskApproval", cause="a2", reason="the gate was passed (better)", version="5")


@pytest.mark.parametrize(("serving", "outcome"), [("4", "waits for a person"), ("2", "registered")])
def test_a_version_that_waits_for_a_person_has_passed_its_gate_and_waits_while_the_one_it_was_judged_against_serves(serving: str, outcome: str) -> None:
    asked = record("5", "registered", 8 * MINUTE, parent="4", cause="a2")
    later = [] if serving == "4" else [record(serving, "promoted", 10 * MINUTE, by="ada")]
    records = [*RECORDS, asked, *later]
    assert list(awaiting(records, [*DECISIONS, ASKED])) == (["5"] if serving == "4" else [])
    graph = lineage(records, decisions=[*DECISIONS, ASKED])
    assert graph.node("version 5").outcome == outcome
    gate = next(node for node in graph.nodes if node.label == "gate of 5")
    assert (gate.outcome, gate.began, gate.ended, gate.details["reason"]) == ("passed", 8 * MINUTE, 9 * MINUTE, ASKED.reason)
    assert {(edge.source, edge.label) for edge in graph.edges if edge.target == gate.name} == {("version 5", "is judged"), ("version 4", "judged against")}
    assert "waits" in picture(graph, "svg") or outcome == "registered"
    assert "AskApproval" not in picture(graph, "mermaid")


def test_a_version_that_a_person_has_answered_waits_no_longer() -> None:
    asked = record("5", "registered", 8 * MINUTE, parent="4", cause="a2")
    assert awaiting([*RECORDS, asked, record("5", "promoted", 10 * MINUTE, by="ada", parent="4")], [ASKED]) == {}
    assert list(awaiting([record("5", "registered", 8 * MINUTE)], [ASKED])) == ["5"], "where no version serves, it was judged against the service's own answers"


def test_the_card_of_a_version_that_waits_for_a_person_says_what_the_gate_found() -> None:
    records = [*RECORDS, record("5", "registered", 8 * MINUTE, parent="4", cause="a2")]
    assert model_card(records, "5")["evaluation"]["verdict"] == "none yet"
    card = model_card(records, "5", asked=ASKED)
    assert card["evaluation"] == {
        "verdict": "passed the gate, waits for a person",
        "at": "1970-01-01T00:09:00.000Z",
        "by": "retrainer",
        "compared_with": "4",
        "evidence": {"reason": ASKED.reason},
    }
    assert not any("It was not compared" in limit for limit in card["limits"])
    assert ASKED.reason in markdown(card)


def test_the_card_of_a_version_that_passed_the_gate_says_so_when_another_one_was_promoted_in_its_place() -> None:
    records = [*RECORDS, record("5", "registered", 8 * MINUTE, parent="4", cause="a2"), record("2", "promoted", 10 * MINUTE, by="ada")]
    evaluation = model_card(records, "5", asked=ASKED)["evaluation"]
    assert (evaluation["verdict"], evaluation["compared_with"], evaluation["evidence"]) == ("passed the gate, was not promoted", "4", {"reason": ASKED.reason})


def test_the_card_of_a_version_that_a_person_promoted_does_not_say_that_it_was_compared_with_none() -> None:
    answered = [record("5", status, 9 * MINUTE, parent="4", cause="a2", by=by) for status, by in (("registered", "retrainer"), ("promoted", "ada"))]
    card = model_card([*RECORDS, *answered], "5", asked=ASKED)
    assert (card["evaluation"]["verdict"], card["evaluation"]["by"]) == ("promoted", "ada")
    assert not any("It was not compared" in limit for limit in card["limits"])


@pytest.mark.parametrize("decisions", [[], DECISIONS], ids=["without decisions", "with decisions"])
def test_the_picture_is_well_formed_and_says_the_same_in_each_form(decisions: list[Decision]) -> None:
    graph = lineage([*RECORDS, *BROUGHT], causes=KNOWN.items(), decisions=decisions)
    svg = ElementTree.fromstring(picture(graph, "svg"))  # noqa: S314  our own text
    boxes = list(svg.iter("{http://www.w3.org/2000/svg}g"))
    assert len(boxes) == len(graph.nodes)
    corners = [(box.find("{http://www.w3.org/2000/svg}rect").get("x"), box.find("{http://www.w3.org/2000/svg}rect").get("y")) for box in boxes]  # type: ignore[union-attr]
    assert len(set(corners)) == len(corners), "two boxes lie on each other"
    assert "the error rate rose" in picture(graph, "svg")
    mermaid = picture(graph, "mermaid").splitlines()
    assert sum(" -->" in line for line in mermaid) == len(graph.edges)
    told = msgspec.json.decode(picture(graph, "json"))
    assert [node["name"] for node in told["nodes"]] == [node.name for node in graph.nodes]
    assert next(node for node in told["nodes"] if node["name"] == "training of 1")["ended"] == "1970-01-01T00:00:00.000Z"


def test_a_label_cannot_break_out_of_the_picture() -> None:
    graph = lineage([record("1", "registered", 0, cause='"]; click <script>')])
    assert "<script>" not in picture(graph, "svg")
    assert picture(graph, "mermaid").splitlines()[1] == '    n0>"cause #quot;]; click #lt;script#gt;"]'


def test_a_card_is_made_of_the_evidence_and_says_its_limits() -> None:
    card = model_card(RECORDS[:5], "2", specification=specification(), cause=KNOWN["a1"])
    assert (card["model"]["status"], card["model"]["digest"]) == ("champion", "sha256:22")
    assert card["use"]["features"] == {"x": "numeric", "y": "numeric", "city": "categorical"}
    assert card["training"]["why"] == {"cause": "a1", "kind": "performance", "summary": "the error rate rose", "opened_at": "1970-01-01T00:00:30.000Z"}
    assert card["evaluation"]["evidence"] == GATE
    assert card["limits"] == [
        "Its advantage was measured on 6,100 labelled events: loss lower by +0.04 to +0.1 (95 %). On events unlike those nothing is known.",
        "Too few labelled events to judge these segments: north.",
    ]
    text = markdown(card)
    for said in ("# loans, version 2", "| cause | a1 |", "| numpy | 2.4.6 |", "| 1970-01-01T00:03:00.000Z | promoted | retrainer | better |"):
        assert said in text
    assert model_card(RECORDS, "2")["model"]["status"] == "rolled back"
    assert "cannot be trained again" in markdown(model_card(RECORDS, "4"))
    assert model_card(RECORDS[:3], "2")["evaluation"] == {"verdict": "none yet", "compared_with": "1", "evidence": {}}


def test_a_card_shows_times_as_times_and_leaves_out_what_is_not_known() -> None:
    chosen = {"rows": 100, "cut": MINUTE, "selection": {"since": 30_000, "until": None, "window": 2_000}}
    told = [record("1", "registered", 0, trained_on=chosen), record("1", "promoted", 0, gate={"interval": [None, 0.1]})]
    text = markdown(model_card(told, "1"))
    assert "| cut | 1970-01-01T00:01:00.000Z |" in text
    assert "| selection | since: 1970-01-01T00:00:30.000Z, window: 2000 |" in text
    assert "| interval | unknown, 0.1 |" in text
    assert "None |" not in text


def test_a_comparison_names_what_differs_and_leaves_out_what_does_not() -> None:
    told = history(RECORDS)
    found = comparison(told["2"], told["4"])
    assert (found["a"], found["b"], found["same_artifact"]) == ("loans@2", "loans@4", False)
    assert found["rows"] == {"shared_offsets": 50, "of_a": 100, "of_b": 61}
    assert found["differences"]["packages"] == {"numpy": ["2.4.6", None]}
    assert "cause" not in found["differences"]["training"]
    assert comparison(told["2"], told["2"])["differences"] == {}


def test_figures_that_differ_are_compared_with_the_rows_that_they_rest_on_be_they_as_many() -> None:
    one, other = (
        [
            record(version, "registered", 0, trained_on=rows(first, first + 99), metrics={"training_accuracy": accuracy}),
            record(version, "rejected", MINUTE, gate={"labels": 500, "difference": gain, "interval": [gain - 0.1, gain + 0.1]}),
        ]
        for version, first, accuracy, gain in (("2", 0, 0.9, 0.01), ("3", 50, 0.95, 0.02))
    )
    found = comparison(one, other)["differences"]
    assert found["metrics"] == {"training_accuracy": [0.9, 0.95], "training rows": [100, 100]}
    assert {key: found["verdict"][key] for key in ("difference", "labels")} == {"difference": [0.01, 0.02], "labels": [500, 500]}
    assert "rows" not in found["training"]
    alike = [one[0], msgspec.structs.replace(one[1], gate=one[1].gate | {"wealth": 3.0})]
    assert comparison(one, alike)["differences"] == {"verdict": {"wealth": [None, 3.0], "labels": [500, 500]}}


@pytest.mark.parametrize("name", ["training_accuracy", "training_mae"])
def test_a_card_says_of_a_figure_on_the_training_rows_how_many_they_are_and_that_it_has_no_interval(name: str) -> None:
    card = model_card([record("1", "registered", 0, trained_on=rows(0, 1_499), metrics={name: 0.25})], "1")
    said = name.replace("_", " ").replace("mae", "mean absolute error")
    assert f"Its {said}, 0.25, is of the 1,500 rows that it was fitted to: of other rows it says nothing, so it has no interval." in card["limits"]


def test_a_version_is_found_by_its_names_or_the_error_says_which_there_are() -> None:
    models = {"loans": RECORDS, "eu@loans": [record("9", "registered", 0)], "rent": [record("2", "promoted", 0)]}
    assert [find_version(models, name) for name in ("loans@2", "loans@champion", "loans", "9", "eu@loans@9")] == [
        ("loans", "2"),
        ("loans", "4"),
        ("loans", "4"),
        ("eu@loans", "9"),
        ("eu@loans", "9"),
    ]
    for name, said in {
        "2": "loans@2, rent@2",
        "loans@7": "it has: 1, 2, 3, 4, and champion",
        "eu@loans": "no champion yet",
        "nothing": "There are the models: eu@loans, loans, rent",
    }.items():
        with pytest.raises(SettingsError, match=said):
            find_version(models, name)
