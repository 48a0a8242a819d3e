// One model: what is wrong since when, and all its charts over the same time.

import { address, make } from "./dom.js";
import { ModelView } from "./model_view.js";
import { verdict } from "./verdict.js";

export const head = (current, query) => {
  const told = verdict();
  const tabs = [["model", "Charts"], ["versions", "Versions and lineage"]].map(([page, text]) => make("a", { href: address(page, { name: query.model }), "aria-current": page === current ? "page" : null }, text));
  const element = make("div", { class: "modelhead" }, make("nav", { "aria-label": "views" }, make("a", { href: "/" }, "All models"), ...tabs), make("h1", {}, query.model), ...told.elements);
  const show = (section) => {
    told.show(section);
    document.title = `${section.state}: ${section.model} – Driftwarden`;
  };
  return { element, show };
};

const item = (alert, model) =>
  make(
    "li",
    { class: `alert ${alert.severity} ${alert.state}` },
    make("div", { class: "line" }, make("a", { href: address("alert", { model, id: alert.id }) }, `${alert.kind}, ${alert.severity}`), make("b", {}, alert.state === "open" ? "open" : `resolved ${alert.until}`)),
    make("p", {}, alert.summary),
    make("p", { class: "soft" }, alert.told),
  );

const chooser = (name, label, query) => {
  const select = make("select", { id: `choose-${name}` });
  select.addEventListener("change", () => location.assign(address("model", { name: query.model, version: query.version, segment: query.segment, [name]: select.value })));
  const element = make("label", { for: `choose-${name}`, hidden: true }, label, select);
  const show = (found, chosen) => {
    element.hidden = found.length === 0;
    select.replaceChildren(make("option", { value: "" }, "all"), ...found.map((one) => make("option", { value: one, selected: one === chosen }, one)));
  };
  return { element, show };
};

export class Page {
  constructor(query) {
    this.head = head("model", query);
    this.version = chooser("version", "Version ", query);
    this.segment = chooser("segment", "Segment ", query);
    this.view = new ModelView({ item: (alert) => item(alert, query.model) });
    this.element = make("div", {}, this.head.element, make("div", { class: "choices" }, this.version.element, this.segment.element), ...Object.values(this.view.parts));
  }

  update(sections, changed) {
    if (changed.head) this.head.show(sections.head);
    if (changed.choices) {
      this.version.show(sections.choices.versions, sections.choices.version);
      this.segment.show(sections.choices.segments, sections.choices.segment);
    }
    this.view.update(sections, changed);
  }
}
