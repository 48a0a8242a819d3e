// One model: what is wrong since when, and all its charts over the same time.

import { address, badge, make, say, section, table } from "./dom.js";
import { LineChart } from "./charts.js";
import { HeatMap } from "./heat.js";

export const head = (current, query) => {
  const place = make("p", { class: "verdict" });
  const facts = make("dl", { class: "facts" });
  const notes = make("ul", { class: "notes", hidden: true });
  const tabs = [["model", "Charts"], ["versions", "Versions and lineage"]].map(([page, text]) => make("a", { href: address(page, { name: query.model }), "aria-current": page === current ? "page" : null }, text));
  const element = make("div", { class: "modelhead" }, make("nav", { "aria-label": "views" }, make("a", { href: "/" }, "All models"), ...tabs), make("h1", {}, query.model), place, facts, notes);
  const show = (told) => {
    place.dataset.state = told.state;
    place.replaceChildren(badge(told.state), make("span", { class: "sentence" }, told.sentence));
    facts.replaceChildren(...told.facts.map(([name, text]) => make("div", {}, make("dt", {}, name), make("dd", {}, text))));
    notes.hidden = told.notes.length === 0;
    notes.replaceChildren(...told.notes.map((note) => make("li", {}, note)));
    document.title = `${told.state}: ${told.model} – Driftwarden`;
  };
  return { element, show };
};

export const alertList = (alerts, model) =>
  alerts.map((alert) =>
    make(
      "li",
      { class: `alert ${alert.severity} ${alert.state}` },
      make("div", { class: "line" }, make("a", { href: address("alert", { model, id: alert.id }) }, `${alert.kind}, ${alert.severity}`), make("b", {}, alert.state === "open" ? "open" : `resolved ${alert.until}`)),
      make("p", {}, alert.summary),
      make("p", { class: "soft" }, `Changed about ${alert.changed}, reported ${alert.opened}, ${alert.delay} later.${alert.action ? ` Done: ${alert.action}.` : ""}`),
    ),
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
    this.query = query;
    this.head = head("model", query);
    this.version = chooser("version", "Version ", query);
    this.segment = chooser("segment", "Segment ", query);
    this.main = new LineChart({ title: "Performance", height: 240 });
    this.others = make("div", { class: "small" });
    this.charts = new Map();
    this.traffic = new LineChart({ title: "Traffic", floor: true });
    this.latency = new LineChart({ title: "Latency", floor: true });
    this.failed = new LineChart({ title: "Failed predictions", floor: true });
    this.quality = new LineChart({ title: "Missing, unseen and out-of-range values", floor: true, height: 200 });
    this.clean = make("p", {});
    this.heat = new HeatMap();
    this.alerts = make("ol", { class: "alerts" });
    this.unlabelled = make("p", { class: "soft" });
    this.drift = section("Drift by column", this.heat.element);
    this.element = make(
      "div",
      {},
      this.head.element,
      make("div", { class: "choices" }, this.version.element, this.segment.element),
      section("Performance", make("p", { class: "soft key" }, "Shaded: an alert was open; dotted line: when its change began; ▲ a promotion, △ a canary that serves a share, ▼ a rollback. Bands are 95 % intervals."), this.main.element, this.unlabelled, this.others),
      section("Alerts", this.alerts),
      this.drift,
      section("Data quality", this.quality.element, this.clean),
      section("Service", make("div", { class: "small" }, this.traffic.element, this.latency.element, this.failed.element)),
    );
  }

  update(sections, changed) {
    const { marks } = sections;
    if (changed.head) this.head.show(sections.head);
    if (changed.choices) {
      this.version.show(sections.choices.versions, sections.choices.version);
      this.segment.show(sections.choices.segments, sections.choices.segment);
    }
    if (changed.performance || changed.estimate) this.performance(sections);
    if (changed.traffic) this.traffic.show(sections.traffic, marks);
    if (changed.latency) this.latency.show(sections.latency, marks);
    if (changed.failed) this.failed.show(sections.failed, marks);
    if (changed.quality) this.showQuality(sections.quality, marks);
    if ("heat" in changed) {
      this.drift.hidden = sections.heat === null;
      this.heat.show(sections.heat);
    }
    if (changed.alerts) this.alerts.replaceChildren(...(sections.alerts.length ? alertList(sections.alerts, this.query.model) : [make("li", { class: "none" }, "None.")]));
    if (changed.marks) for (const chart of [this.main, this.traffic, this.latency, this.failed, this.quality, ...this.charts.values()]) chart.mark(marks);
  }

  performance({ performance, estimate, marks }) {
    const [first, ...rest] = performance.filter((curve) => curve.name !== "coverage");
    const coverage = performance.filter((curve) => curve.name === "coverage");
    const beside = !first || first.name === "accuracy" ? estimate.curves : [];
    const main = [...(first ? [first] : []), ...beside];
    say(this.main.heading, main.map((curve) => curve.name).join(" and ") || "Performance");
    this.main.title = this.main.heading.textContent;
    this.main.show(main, marks);
    const state = beside.length ? ` The estimate without labels is in state “${estimate.state}”.` : "";
    say(this.unlabelled, first ? state.trim() : `No labels in this window, so performance is not known.${state}`);
    const shown = [...rest, ...coverage];
    for (const curve of shown) {
      if (!this.charts.has(curve.name)) {
        const chart = new LineChart({ title: curve.name === "coverage" ? "coverage: labels per prediction" : curve.name, height: 150 });
        this.charts.set(curve.name, chart);
        this.others.append(chart.element);
      }
      this.charts.get(curve.name).show([curve], marks);
    }
    for (const [name, chart] of this.charts) if (!shown.some((curve) => curve.name === name)) chart.show([]);
  }

  showQuality({ curves, left_out: others }, marks) {
    this.quality.show(curves, marks);
    say(this.clean, curves.length ? (others ? `${others} other rates are smaller or 0.` : "") : others ? `No value was missing, unseen or out of range (${others} rates are watched).` : "Nothing is told of the quality of the inputs yet.");
  }
}
