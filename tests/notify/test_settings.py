"""``notify.yaml``: what it says is what is meant, and no secret is in it, nor in what is said of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from detectors.errors import SettingsError
from streams.notify.forms.webhook import cloud_event
from streams.notify.routing import receivers_of
from streams.notify.settings import NotifySettings, Receiver, load_notify_settings, parse_notify_settings
from streams.notify.values import Environment
from tests.notify.samples import VARIABLES, notice, settings
from tests.streams.command_line import run

HOOK = "{type: webhook, url: 'https://example.com/hook', secret: '${SECRET}'}"


@pytest.mark.parametrize(
    ("receiver", "story"),
    [
        ("{type: slack, url: 'https://hooks.slack.com/services/T0/B0/hidden'}", "receivers.it.url: a secret does not belong into a file"),
        ("{type: webhook, url: 'https://ada:hidden@example.com/', secret: '${SECRET}'}", "receivers.it.url: an address with a name or password in it"),
        ("{type: webhook, url: 'file:///hidden', secret: '${SECRET}'}", "receivers.it.url: expected an address such as https://example.com/path"),
        ("{type: webhook, url: 'https://example.com', secret: '${SHORT}'}", "receivers.it.secret: the secret is shorter than 24 characters"),
        ("{type: alertmanager, url: 'http://a:9093', resend_every: 10m}", "receivers.it.resend_every: expected a number <= 120000"),
        ("{type: alertmanager, url: 'http://a:9093', labels: {a-b: c}}", "labels.a-b"),
        ("{type: slack, url: '${URL}', title: '{{ notices[0].modell }}'}", ""),
        ("{type: email, host: a, from: a@b, to: c@d, encryption: none, username: ada, password: '${PASSWORD}'}", "password would be readable by everybody"),
        ("{type: email, host: a, from: a@b, to: c@d, username: ada}", "username and password go together"),
        ("{type: pagerduty, routing_key: '${KEY}', rate_limit: often}", "receivers.it.rate_limit: a rate is a number of messages and a duration such as '20 per 1m', got 'often'"),
        ("{type: slak, url: 'https://hooks.slack.com/services/T0/B0/hidden'}", "receivers.it"),
        ("{host: a, password: hidden}", "receivers.it"),
        ("{type: alertmanager, url: 'http://a:9093/?a=b'}", "receivers.it.url: a path is put behind this address"),
        ("{type: pagerduty, routing_key: '${KEY}', url2: a}", "receivers.it.url2: unknown key; did you mean 'url'? known keys: rate_limit"),
    ],
)
def test_a_fault_is_told_with_its_place_and_without_secrets(receiver: str, story: str) -> None:
    environment = Environment({**VARIABLES, "SHORT": "hidden", "URL": "https://hooks.slack.com/hidden"})
    text = f"receivers: {{it: {receiver}}}\nroutes: [{{receiver: it}}]"
    if not story:  # a template is tried where the form is made
        assert parse_notify_settings(text, "notify.yaml", environment).receivers
        return
    with pytest.raises(SettingsError) as refused:
        parse_notify_settings(text, "notify.yaml", environment)
    assert story in str(refused.value)
    assert str(refused.value).startswith("notify.yaml:1: ")
    assert "hidden" not in str(refused.value)


def test_a_route_to_nobody_and_a_receiver_without_a_route_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"routes.0.receiver names 'that', which is no receiver; there are: it"):
        settings(HOOK, routes="[{receiver: that}]")
    with pytest.raises(SettingsError, match=r"receivers.b: no route leads to it"):
        settings(f"{{it: {HOOK}, b: {HOOK}}}")


def test_secrets_come_from_the_environment_and_are_not_printed() -> None:
    told = settings(HOOK)
    assert told.receivers["it"].secret.get_secret_value() == VARIABLES["SECRET"]  # type: ignore[union-attr]
    assert VARIABLES["SECRET"] not in repr(told)


def test_variables_that_are_not_set_are_named(tmp_path: Path) -> None:
    file = tmp_path / "notify.yaml"
    file.write_text(f"receivers: {{it: {HOOK}}}\nroutes: [{{receiver: it}}]")
    with pytest.raises(SettingsError, match=r"named, and not set: SECRET$"):
        load_notify_settings(file, {})
    checked = run("notify", "validate", file, environment={"SECRET": ""})
    assert (checked.exit_code, checked.stdout, checked.stderr) == (0, "it: webhook, at most 20 per 1m\n", "not set here: SECRET\n")


def test_a_template_with_a_fault_or_a_way_out_of_the_sandbox_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "notify.yaml"
    for template in ("{{ notices[0].modell }}", "{% if %}", "{{ ''.__class__.__mro__[1].__subclasses__() }}", "{{ range(10 ** 9) | list }}"):
        file.write_text(f"receivers: {{it: {{type: slack, url: '${{URL}}', title: \"{template}\"}}}}\nroutes: [{{receiver: it}}]")
        refused = run("notify", "validate", file, environment={"URL": "https://hooks.slack.com/x"}).exception
        assert "receivers.it.title: the template cannot be rendered" in str(refused), template


def test_validate_says_who_is_told(tmp_path: Path) -> None:
    file = tmp_path / "notify.yaml"
    routes = "[{receiver: a, severity: critical, continue: true}, {receiver: [b, c], owner: risk-*, kind: [drift, promotion, approval]}, {receiver: c, model: [churn, loans-*]}]"
    file.write_text(f"receivers: {{a: {HOOK}, b: {HOOK}, c: {HOOK}}}\nroutes: {routes}")

    def told(*options: str) -> str:
        done = run("notify", "validate", file, *options, environment={"SECRET": VARIABLES["SECRET"]})
        assert done.exit_code == 0, done.exception
        return done.stdout.strip()

    assert told("--model", "churn", "--severity", "critical", "--owner", "risk-eu") == "a, b, c"
    assert told("--model", "loans-eu", "--kind", "performance", "--owner", "risk-eu") == "c"
    assert told("--model", "other", "--kind", "promotion", "--severity", "info") == "nobody: no route fits"
    assert told("--model", "churn", "--kind", "approval", "--severity", "info", "--owner", "risk-eu") == "b, c"


def test_the_first_route_that_fits_is_the_last_unless_it_says_continue() -> None:
    routes = settings(f"{{it: {HOOK}, b: {HOOK}}}", routes="[{receiver: it, model: a*}, {receiver: b}]").routes
    asked = {"kind": "drift", "severity": "warning", "owner": ""}
    assert [receivers_of(routes, model=model, **asked) for model in ("ab", "b")] == [("it",), ("b",)]


PAGE = (Path(__file__).parents[2] / "docs/notifications.md").read_text()


def test_the_example_of_the_page_is_one_and_its_keys_and_defaults_are_those_of_the_code() -> None:
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    environment = Environment({})
    told = parse_notify_settings(example, "notify.yaml", environment)
    assert environment.missing == {"PAGERDUTY_ROUTING_KEY", "SLACK_RISK_URL", "TICKETS_SECRET", "SMTP_PASSWORD"}
    assert {receiver.type for receiver in told.receivers.values()} == {get_args(kind.model_fields["type"].annotation)[0] for kind in get_args(Receiver)}
    section = PAGE[PAGE.index("## All of the file") : PAGE.index("## Receivers")]
    keys = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", section, re.MULTILINE))
    written = told.model_dump(mode="json", exclude={"page_address"})
    assert keys == {name: "–" if name in {"receivers", "routes", "page_address"} else f"`{written[name]}`" for name in NotifySettings.model_fields}
    for kind in get_args(Receiver):
        name = get_args(kind.model_fields["type"].annotation)[0]
        (row,) = re.findall(rf"^\| `{name}` \| (.+?) \| .+ \| .+ \|$", PAGE, re.MULTILINE)
        described = set(re.findall(r"`(\w+)`(?: \(|,|$)", row))
        assert described >= {field.alias or key for key, field in kind.model_fields.items()} - {"type", "rate_limit", "send_updated", "send_resolved"}


def test_every_field_of_a_webhooks_data_is_described() -> None:
    described = set(re.findall(r"`(\w+)`", PAGE[PAGE.index("**A webhook's `data`**") : PAGE.index("**Alertmanager** gets")]))
    assert described >= cloud_event(notice())["data"].keys()
