// One alert in words, with the evidence from which its figures were computed again.

import { address, make, say, section, table } from "./dom.js";
import { bars } from "./bars.js";

const list = (sentences) => make("ul", {}, sentences.map((sentence) => make("li", {}, sentence)));
const figure = (value) => (value === null ? "–" : `${+value.toPrecision(6)}`);

const monitor = (one) =>
  make(
    "article",
    { class: "monitor" },
    make("h3", {}, one.name),
    make("p", {}, one.changed),
    table(["", ""], one.facts),
    one.bars ? bars(one.bars) : null,
    one.fault ? make("p", { class: "fault" }, `Its evidence cannot be drawn: ${one.fault}.`) : null,
    one.surely.length ? [make("h4", {}, "How surely"), list(one.surely)] : null,
    one.ruled_out.length ? [make("h4", {}, "What was ruled out"), list(one.ruled_out)] : null,
  );

export class Page {
  constructor(query) {
    this.query = query;
    this.title = make("h1", {}, "Alert");
    this.lead = make("p", { class: "lead" });
    this.facts = make("dl", { class: "facts" });
    this.proof = make("p", { class: "proof" });
    this.wrong = make("div");
    this.parts = Object.fromEntries(["life", "happened", "next", "monitors"].map((name) => [name, make("div")]));
    this.more = make("p", { class: "soft" });
    this.happened = section("What else happened", this.parts.happened);
    this.element = make(
      "div",
      {},
      make("nav", { "aria-label": "views" }, make("a", { href: "/" }, "All models"), make("a", { href: address("model", { name: query.model }) }, query.model)),
      this.title,
      this.lead,
      this.facts,
      section("What to do next", this.parts.next),
      section("Evidence", this.proof, this.wrong, this.parts.monitors, this.more),
      this.happened,
      section("Its life", this.parts.life),
    );
  }

  update(sections, changed) {
    if (changed.alert) this.show(sections.alert);
    if (changed.life) this.parts.life.replaceChildren(list(sections.life));
    if (changed.happened) {
      this.happened.hidden = sections.happened.length === 0;
      this.parts.happened.replaceChildren(list(sections.happened));
    }
    if (changed.next) this.parts.next.replaceChildren(list(sections.next));
    if (changed.monitors) this.parts.monitors.replaceChildren(...sections.monitors.map(monitor));
    if ("more_monitors" in changed) say(this.more, sections.more_monitors ? `${sections.more_monitors} weaker monitors of this alert are left out here; its record names them.` : "");
    if (changed.figures) this.prove(sections.figures);
  }

  show(alert) {
    this.element.dataset.state = alert.state;
    say(this.title, `${alert.kind} alert, ${alert.severity}, ${alert.state}`);
    say(this.lead, alert.headline);
    const facts = [["changed about", alert.changed], ["reported", `${alert.opened}, ${alert.delay} later`], ["resolved", alert.until || "not yet"], ["model version", alert.version || "–"], ["false-alarm budget", alert.budget], ["what was done", alert.action || "nothing was retrained because of it"], ["alert", alert.id]];
    this.facts.replaceChildren(...facts.map(([name, text]) => make("div", {}, make("dt", {}, name), make("dd", {}, text))));
    document.title = `${alert.kind} alert – Driftwarden`;
  }

  prove({ all, wrong }) {
    this.proof.dataset.state = wrong.length ? "wrong" : "right";
    this.proof.hidden = all === 0;
    say(this.proof, wrong.length ? `${wrong.length} of ${all} figures could not be reproduced from what the alert carries:` : `All ${all} figures were computed again from what the alert carries, and are as stated.`);
    this.wrong.replaceChildren(...(wrong.length ? [table(["monitor", "figure", "stated", "recomputed"], wrong.map(([name, what, stated, again]) => [name, what, figure(stated), figure(again)]))] : []));
  }
}
