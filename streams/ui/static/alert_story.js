// What one alert says: what to do next, the evidence from which its figures were computed again, and its life.

import { make, part, say, table } from "./dom.js";
import { bars } from "./bars.js";

const list = (sentences) => make("ul", {}, sentences.map((sentence) => make("li", {}, sentence)));

const monitor = (one, level) =>
  make(
    "article",
    { class: "monitor" },
    make(`h${level}`, {}, one.name),
    make("p", {}, one.changed),
    table(["", ""], one.facts),
    one.bars ? bars(one.bars) : null,
    one.fault ? make("p", { class: "fault" }, `Its evidence cannot be drawn: ${one.fault}.`) : null,
    one.surely.length ? [make(`h${level + 1}`, {}, "How surely"), list(one.surely)] : null,
    one.ruled_out.length ? [make(`h${level + 1}`, {}, "What was ruled out"), list(one.ruled_out)] : null,
  );

export class AlertStory {
  // level: of its headings.
  constructor(level) {
    this.level = level;
    this.proof = make("p", { class: "proof" });
    this.wrong = make("div");
    this.parts = Object.fromEntries(["life", "happened", "next", "monitors"].map((name) => [name, make("div")]));
    this.more = make("p", { class: "soft" });
    this.happened = part(level, "What else happened", this.parts.happened);
    this.element = make(
      "div",
      { class: "story" },
      part(level, "What to do next", this.parts.next),
      part(level, "Evidence", this.proof, this.wrong, this.parts.monitors, this.more),
      this.happened,
      part(level, "Its life", this.parts.life),
    );
  }

  update(sections, changed) {
    if (changed.life) this.parts.life.replaceChildren(list(sections.life));
    if (changed.happened) {
      this.happened.hidden = sections.happened.length === 0;
      this.parts.happened.replaceChildren(list(sections.happened));
    }
    if (changed.next) this.parts.next.replaceChildren(list(sections.next));
    if (changed.monitors) this.parts.monitors.replaceChildren(...sections.monitors.map((one) => monitor(one, this.level + 1)));
    if ("more_monitors" in changed) say(this.more, sections.more_monitors);
    if (changed.figures) this.prove(sections.figures);
  }

  prove({ state, told, heads, wrong }) {
    this.proof.dataset.state = state;
    say(this.proof, told);
    this.wrong.replaceChildren(...(wrong.length ? [table(heads, wrong)] : []));
  }
}
