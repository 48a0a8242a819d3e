// All charts of one model over the same time, and its alerts.

import { make, say, section } from "./dom.js";
import { LineChart } from "./charts.js";
import { HeatMap } from "./heat.js";

const RATES = "Missing, unseen and out-of-range values";

export class ModelView {
  // item: makes the element of an alert; rows: whether times are rows of a table.
  constructor({ item, rows = false }) {
    this.item = item;
    this.rows = rows;
    const line = (options) => new LineChart({ rows, ...options });
    this.main = line({ title: "Performance", height: 240 });
    this.others = make("div", { class: "small" });
    this.charts = new Map();
    this.traffic = line({ title: "Traffic", floor: true });
    this.latency = line({ title: "Latency", floor: true });
    this.failed = line({ title: "Failed predictions", floor: true });
    this.quality = line({ title: RATES, floor: true, height: 200 });
    this.clean = make("p", {});
    this.heat = new HeatMap({ rows });
    this.alerts = make("ol", { class: "alerts" });
    this.unlabelled = make("p", { class: "soft" });
    const key = "Shaded: an alert was open; dotted line: when its change began; ▲ a promotion, △ a canary that serves a share, ▼ a rollback. Bands are 95 % intervals.";
    this.parts = {
      performance: section("Performance", make("p", { class: "soft key" }, key), this.main.element, this.unlabelled, this.others),
      alerts: section("Alerts", this.alerts),
      drift: section("Drift by column", this.heat.element),
      quality: section("Data quality", this.quality.element, this.clean),
      service: section("Service", make("div", { class: "small" }, this.traffic.element, this.latency.element, this.failed.element)),
    };
  }

  get lines() {
    return [this.main, this.traffic, this.latency, this.failed, this.quality, ...this.charts.values()];
  }

  fit() {
    for (const chart of [...this.lines, this.heat]) chart.fit();
  }

  update(sections, changed) {
    const { marks } = sections;
    if (changed.performance || changed.estimate) this.performance(sections);
    if (changed.traffic) this.traffic.show(sections.traffic, marks);
    if (changed.latency) this.latency.show(sections.latency, marks);
    if (changed.failed) this.failed.show(sections.failed, marks);
    if (changed.quality) this.showQuality(sections.quality, marks);
    if ("heat" in changed) {
      this.parts.drift.hidden = sections.heat === null;
      this.heat.show(sections.heat);
    }
    if (changed.alerts) this.alerts.replaceChildren(...(sections.alerts.length ? sections.alerts.map(this.item) : [make("li", { class: "none" }, "None.")]));
    if (changed.marks) for (const chart of this.lines) chart.mark(marks);
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
        const chart = new LineChart({ rows: this.rows, title: curve.name === "coverage" ? "coverage: labels per prediction" : curve.name, height: 150 });
        this.charts.set(curve.name, chart);
        this.others.append(chart.element);
      }
      this.charts.get(curve.name).show([curve], marks);
    }
    for (const [name, chart] of this.charts) if (!shown.some((curve) => curve.name === name)) chart.show([]);
  }

  showQuality({ curves, left_out: others }, marks) {
    say(this.quality.heading, curves.length === 1 ? curves[0].name : RATES);
    this.quality.title = this.quality.heading.textContent;
    this.quality.show(curves, marks);
    say(this.clean, curves.length ? (others ? `${others} other ${others === 1 ? "rate is" : "rates are"} smaller or 0.` : "") : others ? `No value was missing, unseen or out of range (${others} rates are watched).` : "Nothing is told of the quality of the inputs yet.");
  }
}
