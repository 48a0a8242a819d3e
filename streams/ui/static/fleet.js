// All models, worst first: state, since when, why, what was done, and the metric that matters most.

import { address, badge, make, say } from "./dom.js";
import { drawSparkline, sparkline } from "./sparkline.js";

const UNWELL = ["unhealthy", "changed", "not proven"];

class Row {
  constructor(name) {
    this.cells = Object.fromEntries(["state", "since", "why", "done", "rate"].map((part) => [part, make("div", { class: part })]));
    this.link = make("a", { href: address("model", { name }), class: "name" }, name);
    this.serving = make("span", { class: "soft" });
    this.value = make("b");
    this.metric = make("span", { class: "soft" });
    this.spark = sparkline();
    const { state, since, why, done, rate } = this.cells;
    this.element = make("li", {}, state, make("div", { class: "model" }, this.link, this.serving), make("div", { class: "metric" }, this.spark, make("div", {}, this.value, this.metric)), make("div", { class: "story" }, since, why, done), rate);
  }

  show(row) {
    if (this.state !== row.state) {
      this.state = row.state;
      this.element.dataset.state = row.state;
      this.cells.state.replaceChildren(badge(row.state));
    }
    say(this.serving, row.serving ? `version ${row.serving}` : "");
    say(this.cells.since, row.since ? `${row.state === "recovered" ? "well again since" : "since about"} ${row.since}` : "");
    say(this.cells.why, row.why || "no alert");
    say(this.cells.done, row.done ? `Done: ${row.done}.` : UNWELL.includes(row.state) && row.open ? "Nothing was retrained because of it." : "");
    say(this.value, row.value);
    say(this.metric, row.metric || "no metric yet");
    say(this.cells.rate, row.rate);
    drawSparkline(this.spark, row.spark);
  }
}

export class Page {
  constructor() {
    this.rows = new Map();
    this.count = make("h1", {}, "Models");
    this.states = make("p", { class: "states" });
    this.list = make("ul", { class: "fleet", "aria-label": "models, worst first" });
    this.filter = make("input", { type: "search", id: "filter", placeholder: "part of a name", autocomplete: "off" });
    this.filter.addEventListener("input", () => this.choose());
    this.none = make("p", { class: "soft", hidden: true });
    this.element = make("div", {}, make("div", { class: "head" }, make("div", {}, this.count, this.states), make("label", { for: "filter", class: "filter" }, "Find ", this.filter)), this.list, this.none);
  }

  update(sections, changed) {
    for (const [name, section] of Object.entries(changed)) {
      if (!name.startsWith("row ")) continue;
      const model = name.slice(4);
      if (section === null) {
        this.rows.get(model)?.element.remove();
        this.rows.delete(model);
        continue;
      }
      if (!this.rows.has(model)) this.rows.set(model, new Row(model));
      this.rows.get(model).show(section);
    }
    if (changed.order) this.sort(sections.order);
    if (changed.summary) this.summarise(sections.summary);
    this.choose();
  }

  sort(order) {
    let place = this.list.firstElementChild;
    const fresh = document.createDocumentFragment();
    for (const name of order) {
      const { element } = this.rows.get(name);
      if (element === place) place = place.nextElementSibling;
      else if (place) this.list.insertBefore(element, place);
      else fresh.append(element);
    }
    this.list.append(fresh);
  }

  summarise({ models, states }) {
    const unwell = states.filter(([state]) => UNWELL.includes(state)).reduce((sum, [, count]) => sum + count, 0);
    say(this.count, models === 0 ? "No model yet" : unwell === 0 ? `${models === 1 ? "The model is" : `All ${models} models are`} without an open alert` : `${unwell} of ${models} ${models === 1 ? "model" : "models"} need${unwell === 1 ? "s" : ""} a look`);
    document.title = unwell ? `(${unwell}) Driftwarden` : "Driftwarden";
    this.states.replaceChildren(...states.map(([state, count]) => make("span", { class: "count" }, badge(state), ` ${count}`)));
  }

  choose() {
    const wanted = this.filter.value.trim().toLowerCase();
    let shown = 0;
    for (const [name, row] of this.rows) {
      const hidden = !name.toLowerCase().includes(wanted);
      if (row.element.hidden !== hidden) row.element.hidden = hidden;
      shown += !hidden;
    }
    this.none.hidden = shown > 0;
    say(this.none, this.rows.size ? `No model's name contains “${this.filter.value}”.` : "Models appear here as soon as a monitor, a version or a metric of one is in the topics.");
  }
}
