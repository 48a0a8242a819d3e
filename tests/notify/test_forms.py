"""What each receiver is sent: a real mail server takes it, and the services that nobody can run here are sent what their documentation asks for."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from typing import Any

import pytest

from streams.broker import free_port
from streams.notify.delivery import Delivery, sender_of
from streams.notify.desk import Batch
from streams.notify.forms import form_of
from streams.notify.forms.slack import MOST_BLOCKS
from streams.notify.notice import Notice, alert_notice, approval_notice, version_notice
from streams.notify.outcome import AwayError, RefusedError
from streams.notify.sample import sample_batch
from tests.notify.samples import NOON, VARIABLES, alert, asked, notice, promotion, settings
from tests.notify.servers import HttpServer, MailServer, mail_server
from tests.streams.command_line import run

NOW = NOON + 3_600_000


def delivery(receiver: str, stopping: threading.Event | None = None) -> Delivery:
    told = settings(receiver, retry_at_most="50ms").receivers["it"]
    form = form_of("it", told, sample=sample_batch())
    return Delivery(name="it", form=form, sender=sender_of(told), retry_at_most=50, stopping=stopping or threading.Event(), clock=lambda: NOW)


def told(record: Any = None, **more: Any) -> Notice:
    made = alert_notice(record or alert(), owner="risk", page_address="https://d.example")
    return made if not more else Notice(**{**{name: getattr(made, name) for name in made.__struct_fields__}, **more})


def bodies(receiver: HttpServer) -> list[dict[str, Any]]:
    return [json.loads(post.body) for post in receiver.posts]


def test_a_webhook_is_a_cloud_event_signed_by_the_convention_of_standard_webhooks(receiver: HttpServer) -> None:
    hook = delivery(f"{{type: webhook, url: '{receiver.url}/hook', secret: '${{SECRET}}', bearer: '${{KEY}}'}}")
    assert hook.deliver(Batch(notices=(told(),)))
    assert hook.deliver(Batch(notices=(told(),)))
    first, again = receiver.posts
    assert first.headers["webhook-id"] == again.headers["webhook-id"] == json.loads(first.body)["id"]
    assert first.headers["webhook-timestamp"] == str(NOW // 1_000)
    key = base64.b64decode(VARIABLES["SECRET"].removeprefix("whsec_"))
    signed = f"{first.headers['webhook-id']}.{first.headers['webhook-timestamp']}.".encode() + first.body
    assert first.headers["webhook-signature"] == "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert first.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert first.headers["authorization"] == f"Bearer {VARIABLES['KEY']}"
    event = bodies(receiver)[0]
    assert {name: event[name] for name in ("specversion", "source", "type", "subject", "time", "datacontenttype")} == {
        "specversion": "1.0",
        "source": "urn:driftwarden",
        "type": "io.driftwarden.alert.opened",
        "subject": "churn",
        "time": "2023-11-14T22:13:20.000Z",
        "datacontenttype": "application/json",
    }
    finding = event["data"]["findings"][0]
    assert (finding["effect"], finding["interval"], finding["n_current"], finding["n_reference"]) == (0.1, [0.06, 0.14], 400, 1_000)
    assert event["data"]["link"] == "https://d.example/alert?model=churn&id=a1"


def test_slack_is_sent_blocks_within_its_limits_and_no_markup_of_others(receiver: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VARIABLES, "URL", f"{receiver.url}/services/T0/B0/hidden")
    slack = delivery("{type: slack, url: '${URL}'}")
    long = told(summary="<!channel> " + "drift " * 1_000, causes=tuple(f"cause {number}" for number in range(500)))
    many = tuple(told(alert(f"a{number}")) for number in range(40))
    assert slack.deliver(Batch(notices=(long, *many), held_back=many))
    (body,) = bodies(receiver)
    assert body["text"].startswith("[CRITICAL] churn: performance alert opened, and 40 of the same change, and 40 more")
    assert len(body["blocks"]) <= MOST_BLOCKS
    assert "<!channel>" not in json.dumps(body)
    for block in body["blocks"]:
        assert block["type"] in {"header", "section", "divider"}
        if "text" in block:
            assert len(block["text"]["text"]) <= (150 if block["type"] == "header" else 3_000)
            assert block["text"]["type"] == ("plain_text" if block["type"] == "header" else "mrkdwn")
        assert len(block.get("fields", [])) <= 10


def test_slack_says_what_how_surely_since_when_and_what_to_do(receiver: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VARIABLES, "URL", f"{receiver.url}/services/T0/B0/hidden")
    assert delivery("{type: slack, url: '${URL}'}").deliver(Batch(notices=(told(),), held_back=(notice("b"),)))
    text = json.dumps(bodies(receiver)[0], ensure_ascii=False)
    for part in (
        "the rate went from 10 % (100 of 1,000) to 20 % (80 of 400)",
        "difference of rates: +0.1, 95 % +0.06 to +0.14; 400 events against 1,000 of the reference",
        "2023-11-14T22:03:20.000Z",
        "feature:salary drifted",
        "`driftwarden alerts explain a1`",
        "`driftwarden alerts acknowledge a1 --by NAME`",
        "`driftwarden models rollback --by NAME churn@3`",
        "<https://d.example/alert?model=churn&id=a1|Look at it>",
        "*And 1 more*, which the rate limit held back",
    ):
        assert part in text, part


def test_pagerduty_gets_one_alert_an_incident_and_promotions_as_changes(receiver: HttpServer) -> None:
    receiver.status = 202
    pager = delivery(f"{{type: pagerduty, url: '{receiver.url}', routing_key: '${{KEY}}'}}")
    version = version_notice(promotion(), page_address="https://d.example")
    assert version is not None
    for batch in (
        Batch(notices=(told(),)),
        Batch(notices=(told(),), event="acknowledged"),
        Batch(notices=(notice("a1", 2, "resolved", open_beside=1),)),
        Batch(notices=(notice("a1", 3, "resolved"),)),
        Batch(notices=(version,)),
    ):
        assert pager.deliver(batch)
    trigger, acknowledged, resolved, change = bodies(receiver)
    assert [post.path for post in receiver.posts] == ["/v2/enqueue"] * 3 + ["/v2/change/enqueue"]
    assert {one["routing_key"] for one in (trigger, acknowledged, resolved, change)} == {VARIABLES["KEY"]}
    assert [one["event_action"] for one in (trigger, acknowledged, resolved)] == ["trigger", "acknowledge", "resolve"]
    assert {one["dedup_key"] for one in (trigger, acknowledged, resolved)} == {"driftwarden/a1"}
    assert (trigger["payload"]["severity"], trigger["payload"]["source"]) == ("critical", "churn")
    assert len(trigger["payload"]["summary"]) <= 1_024
    assert trigger["links"] == [{"href": "https://d.example/alert?model=churn&id=a1", "text": "churn in Driftwarden"}]
    assert change["payload"]["summary"] == "churn: version 4 serves now, by retrainer (loss lower by 0.031 (95 % +0.01 to +0.05) on 1,200 labels)"


def mailer(mail: MailServer, **more: str) -> Delivery:
    keys = {"type": "email", "host": "127.0.0.1", "port": str(mail.port), "username": "ada", "password": "'${PASSWORD}'", "ca_file": f"'{mail.certificate}'"}
    keys |= {"from": "'Driftwarden <d@example.com>'", "to": "[a@example.com, b@example.com]"} | more
    return delivery("{" + ", ".join(f"{key}: {value}" for key, value in keys.items()) + "}")


def test_a_mail_is_text_and_html_encrypted_and_in_the_thread_of_its_incident(mail: MailServer) -> None:
    hostile = told(summary="<img src=x onerror=alert(1)>\r\nBcc: c@example.com")
    sending = mailer(mail)
    assert sending.deliver(Batch(notices=(hostile,)))
    assert sending.deliver(Batch(notices=(told(alert("a1", 1, "resolved")),)))
    (recipients, opened), (_, resolved) = mail.mails
    assert recipients == ["a@example.com", "b@example.com"]
    assert opened["Subject"] == "[CRITICAL] churn: performance alert opened"
    assert resolved["Subject"] == "[RESOLVED] churn: performance alert"
    assert opened["References"] == resolved["References"] != opened["Message-ID"]
    assert opened["Bcc"] is None
    assert opened["Auto-Submitted"] == "auto-generated"
    text, html = (opened.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    assert "driftwarden alerts acknowledge a1 --by NAME" in text.get_content()
    assert "<img" not in html.get_content()
    assert "95 % +0.06 to +0.14" in html.get_content()


PROMOTE = "driftwarden models promote --by NAME churn@4"
REJECT = "driftwarden models reject --by NAME churn@4"
FOUND = "churn: version 4 waits for a person: the gate was passed (better by 0.031 on 1200 labels); approval is 'manual'"


def waiting() -> Notice:
    made = approval_notice(asked(), owner="risk", page_address="https://d.example")
    assert made is not None
    return made


def test_programs_are_told_that_a_challenger_waits_for_a_person_and_what_promotes_or_rejects_it(receiver: HttpServer) -> None:
    receiver.status = 202
    for told_by in (f"{{type: webhook, url: '{receiver.url}/hook', secret: '${{SECRET}}'}}", f"{{type: pagerduty, url: '{receiver.url}', routing_key: '${{KEY}}'}}"):
        assert delivery(told_by).deliver(Batch(notices=(waiting(),)))
    event, change = bodies(receiver)
    assert (event["type"], event["subject"]) == ("io.driftwarden.version.waits_for_approval", "churn")
    data = event["data"]
    assert [data[name] for name in ("status", "kind", "severity", "version", "owner")] == ["waits for approval", "approval", "info", "4", "risk"]
    assert data["summary"] == change["payload"]["summary"] == FOUND
    assert data["actions"][:2] == [{"label": "promote it", "command": PROMOTE}, {"label": "reject it", "command": REJECT}]
    assert data["causes"] == ["cause: a1"]
    assert receiver.posts[1].path == "/v2/change/enqueue"
    assert change["links"][0]["href"] == "https://d.example/model?name=churn"


def test_people_are_told_that_a_challenger_waits_for_them_in_the_thread_of_its_promotion(receiver: HttpServer, mail: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VARIABLES, "URL", f"{receiver.url}/services/secret")
    promoted = version_notice(promotion(by="ada"))
    assert promoted is not None
    assert delivery("{type: slack, url: '${URL}'}").deliver(Batch(notices=(waiting(),)))
    sending = mailer(mail)
    for one in (waiting(), promoted):
        assert sending.deliver(Batch(notices=(one,)))
    slack = json.dumps(bodies(receiver)[0])
    assert f"promote it: `{PROMOTE}`" in slack
    assert f"reject it: `{REJECT}`" in slack
    assert FOUND in slack
    first, second = (message for _, message in mail.mails)
    assert first["Subject"] == "[INFO] churn: version 4 waits for approval"
    assert first["References"] == second["References"]
    assert first["Message-ID"] != second["Message-ID"]
    for kind in ("plain", "html"):
        body = first.get_body((kind,))
        assert body is not None
        assert PROMOTE in body.get_content()
        assert REJECT in body.get_content()


def test_of_what_the_retrainer_decides_only_what_asks_for_a_person_is_told() -> None:
    assert approval_notice(asked(instruction="DoNothing")) is None
    named = approval_notice(asked(model="my churn; rm -rf"))
    assert named is not None
    assert named.actions[0].command == "driftwarden models promote --by NAME 'my churn; rm -rf@4'"


def test_a_template_of_the_operators_is_what_is_sent(mail: MailServer) -> None:
    sending = mailer(mail, title="'{{ notices[0].model }} {{ notices[0].status }}'", text="'{{ notices[0].summary }} {{ notices | length }}'")
    assert sending.deliver(Batch(notices=(told(),)))
    ((_, sent),) = mail.mails
    assert (sent["Subject"], sent.get_content().strip()) == ("churn opened", "churn: error_rate changed by +0.1 1")


def test_a_mail_server_that_is_busy_is_asked_again_and_one_that_refuses_is_not(mail: MailServer, caplog: pytest.LogCaptureFixture) -> None:
    mail.answers = ["451 later", "554 never"]
    sending = mailer(mail)
    assert sending.deliver(Batch(notices=(told(),)))
    assert (sending.refused, mail.mails) == (1, [])
    assert "127.0.0.1" in caplog.text
    assert "answered 554" in caplog.text
    with pytest.raises(AwayError, match=r"535 .*check username and password"):
        mailer(mail, username="eve").send(Batch(notices=(told(),)))
    with pytest.raises(AwayError, match="CERTIFICATE_VERIFY_FAILED"):
        mailer(mail, ca_file="null").send(Batch(notices=(told(),)))


def test_nothing_is_sent_in_the_clear_to_a_server_that_does_not_encrypt(tmp_path: Any) -> None:
    with mail_server(tmp_path, encrypts=False) as server:
        with pytest.raises(AwayError, match="STARTTLS"):
            mailer(server).send(Batch(notices=(told(),)))
        assert server.mails == []


@pytest.mark.parametrize("status", [301, 307, 400, 410])
def test_a_redirect_or_a_refusal_is_final_and_is_not_followed(receiver: HttpServer, status: int) -> None:
    receiver.answers = [(status, {"Location": f"{receiver.url}/elsewhere"}, b"no")]
    with pytest.raises(RefusedError, match=str(status)):
        delivery(f"{{type: webhook, url: '{receiver.url}/hook', secret: '${{SECRET}}'}}").send(Batch(notices=(told(),)))
    assert [post.path for post in receiver.posts] == ["/hook"]


@pytest.mark.parametrize("status", [401, 429, 503])
def test_a_receiver_that_is_away_is_asked_again_when_it_says(receiver: HttpServer, status: int) -> None:
    receiver.answers = [(status, {"Retry-After": "1"}, b"later")]
    began = time.monotonic()
    assert delivery(f"{{type: webhook, url: '{receiver.url}/hook', secret: '${{SECRET}}'}}").deliver(Batch(notices=(told(),)))
    assert time.monotonic() - began >= 1
    assert len(receiver.posts) == 2


def test_a_retry_after_that_is_no_date_is_no_reason_to_end(receiver: HttpServer) -> None:
    receiver.answers = [(503, {"Retry-After": "Wed, 21 Oct 99999 07:28:00 GMT"}, b"later")]
    with pytest.raises(AwayError, match="503"):
        delivery(f"{{type: webhook, url: '{receiver.url}/hooks/', secret: '${{SECRET}}'}}").send(Batch(notices=(told(),)))
    assert [post.path for post in receiver.posts] == ["/hooks/"]


def test_an_address_that_is_a_secret_is_in_no_message(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    stopping = threading.Event()
    monkeypatch.setitem(VARIABLES, "URL", f"http://127.0.0.1:{free_port()}/services/T0/B0/hidden")
    slack = delivery("{type: slack, url: '${URL}'}", stopping)
    threading.Timer(0.3, stopping.set).start()
    assert not slack.deliver(Batch(notices=(told(),)))
    assert "receiver 'it' is away (127.0.0.1: " in caplog.text
    assert "hidden" not in caplog.text


def test_a_name_with_blanks_or_dashes_stays_one_argument_of_the_command() -> None:
    hostile = alert(model="--by=x; rm -rf ~", status="opened")
    commands = [action.command for action in alert_notice(hostile).actions]
    assert commands[-1] == "driftwarden models rollback --by NAME -- '--by=x; rm -rf ~@3'"


def test_evidence_of_an_earlier_release_is_told_as_far_as_it_goes() -> None:
    bare = alert()
    (evidence,) = bare.monitors
    made = alert_notice(alert(monitors=(type(evidence)(**{**vars(evidence), "reference": {}, "current": {}, "basis": {}}),)))
    assert made.findings[0].changed == "difference of rates +0.1"
    assert "95 % +0.06 to +0.14" in made.findings[0].surely[0]


def test_a_receiver_is_tried_by_a_command(receiver: HttpServer, tmp_path: Any) -> None:
    file = tmp_path / "notify.yaml"
    file.write_text(f"receivers: {{it: {{type: webhook, url: '{receiver.url}/hook', secret: '${{SECRET}}'}}}}\nroutes: [{{receiver: it}}]")
    done = run("notify", "test", "it", "--file", file, environment=VARIABLES)
    assert (done.exit_code, done.stdout) == (0, "it has taken a sample alert, and its resolution\n")
    assert [body["type"] for body in bodies(receiver)] == ["io.driftwarden.alert.opened", "io.driftwarden.alert.resolved"]
    receiver.status = 500
    assert run("notify", "test", "it", "--file", file, environment=VARIABLES).exit_code == 1
    assert "has no receiver 'that'; it has: it" in str(run("notify", "test", "that", "--file", file, environment=VARIABLES).exception)
