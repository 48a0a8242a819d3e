// Lines over event time by uPlot, with their intervals, and alerts and versions as marks.

import { css, make, say } from "./dom.js";
import { moment } from "./times.js";

const NAMES = ["--blue", "--orange", "--green", "--purple", "--red", "--grey"];
const zone = (seconds) => uPlot.tzDate(new Date(seconds * 1e3), "Etc/UTC");
const percent = (value) => `${+(100 * value).toPrecision(3)} %`;
const plain = (value) => (Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en") : `${+value.toPrecision(3)}`);
const scheme = matchMedia("(prefers-color-scheme: dark)");

const joined = (curves) => {
  const parts = curves.map((curve) => [curve.times, curve.values, ...(curve.low ? [curve.low, curve.high] : [])]);
  return parts.length === 1 ? parts[0] : uPlot.join(parts);
};

// What changes who answers: for all events, for a share of them, or back.
const ANNOUNCED = { promoted: { shape: "▲", colour: "--green" }, canary: { shape: "△", colour: "--purple" }, rolled_back: { shape: "▼", colour: "--red" } };

// The newest alert is drawn last; its change is dotted, its opening solid, and it lies over the chart until it is resolved.
const drawMarks = (plot, marks) => {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  const x = (seconds) => Math.round(plot.valToPos(seconds, "x", true));
  const inside = (seconds) => seconds >= plot.scales.x.min && seconds <= plot.scales.x.max;
  const rule = (seconds, colour, dash) => {
    if (!inside(seconds)) return;
    ctx.strokeStyle = colour;
    ctx.lineWidth = 1.5 * ratio;
    ctx.setLineDash(dash.map((part) => part * ratio));
    ctx.beginPath();
    ctx.moveTo(x(seconds), bbox.top);
    ctx.lineTo(x(seconds), bbox.top + bbox.height);
    ctx.stroke();
  };
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, 0, bbox.width, bbox.top + bbox.height);
  ctx.clip();
  for (const alert of marks.alerts) {
    const colour = css(alert.severity === "critical" ? "--red" : "--orange");
    const from = Math.max(alert.opened, plot.scales.x.min);
    const to = Math.min(alert.until ?? plot.scales.x.max, plot.scales.x.max);
    if (to > from) {
      ctx.globalAlpha = 0.09;
      ctx.fillStyle = colour;
      ctx.fillRect(x(from), bbox.top, x(to) - x(from), bbox.height);
      ctx.globalAlpha = 1;
    }
    rule(alert.change, colour, [2, 3]);
    rule(alert.opened, colour, []);
  }
  ctx.font = `${11 * ratio}px system-ui, sans-serif`;
  ctx.textBaseline = "bottom";
  for (const version of marks.versions) {
    if (!inside(version.at)) continue;
    const { shape, colour } = ANNOUNCED[version.status];
    rule(version.at, css(colour), [6, 3]);
    ctx.fillStyle = css(colour);
    const name = version.version.length > 10 ? `${version.version.slice(0, 9)}…` : version.version;
    ctx.textAlign = x(version.at) > bbox.left + bbox.width - 40 * ratio ? "right" : "left";
    ctx.fillText(`${shape} v${name}`, x(version.at) - 4 * ratio, bbox.top - 1 * ratio);
  }
  ctx.restore();
};

// By tick distance: the text of a tick, and what is added where a year, month or day begins.
const DATE = "\n{YYYY}-{MM}-{DD}";
const TIMES = [
  [86400 * 28, "{YYYY}-{MM}", null, null, null, null, null, null, 1],
  [86400, "{MM}-{DD}", "\n{YYYY}", null, null, null, null, null, 1],
  [60, "{HH}:{mm}", DATE, null, DATE, null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", DATE, null, DATE, null, null, null, 1],
];

export class LineChart {
  // title: what it shows; height in pixels; floor: whether the axis begins at 0; rows: whether times are rows of a table.
  constructor({ title, height = 180, floor = false, rows = false, explained = "" }) {
    this.height = height;
    this.floor = floor;
    this.rows = rows;
    this.marks = { alerts: [], versions: [] };
    this.now = make("span", { class: "now" });
    this.legend = make("p", { class: "legend" });
    this.place = make("div", { class: "plot", tabindex: "0", role: "img" });
    this.heading = make("h3", {}, title);
    this.title = title;
    this.element = make("figure", { class: "chart" }, make("figcaption", {}, this.heading, this.now, explained ? make("p", { class: "soft" }, explained) : null), this.legend, this.place);
    this.place.addEventListener("keydown", (event) => this.move(event));
    this.observer = new ResizeObserver(() => this.fit());
    this.observer.observe(this.place);
    scheme.addEventListener("change", () => this.plot?.redraw());
  }

  show(curves, marks) {
    this.element.hidden = curves.length === 0;
    this.marks = marks ?? this.marks;
    this.curves = curves;
    if (curves.length === 0) return;
    const shape = JSON.stringify(curves.map((curve) => [curve.name, curve.unit, Boolean(curve.low)]));
    const data = joined(curves);
    if (shape === this.shape) this.plot.setData(data);
    else {
      this.shape = shape;
      this.plot?.destroy();
      this.plot = new uPlot(this.options(curves), data, this.place);
    }
    const [first] = curves;
    const over = first.window ? ` over ${first.window}` : "";
    say(this.now, curves.length === 1 ? [first.now, first.interval && `(95 %: ${first.interval})`, over.trim()].filter(Boolean).join(" ") : `${first.unit === "share" ? "share of events" : first.unit}${over}`);
    this.place.setAttribute("aria-label", `${this.title}: ${curves.map((curve) => `${curve.name} ${curve.now}${curve.interval ? `, 95 % ${curve.interval}` : ""}`).join("; ")}. Left and right arrow keys read single values.`);
    this.tell(null);
  }

  // To the width of its place, in the colours of now.
  fit() {
    this.plot?.setSize(this.size());
  }

  mark(marks) {
    this.marks = marks;
    this.plot?.redraw(false);
  }

  options(curves) {
    const share = curves[0].unit === "share";
    const shown = share ? percent : plain;
    const colour = (place) => () => css(NAMES[place % NAMES.length]);
    const series = [{}];
    const bands = [];
    this.columns = [];
    curves.forEach((curve, place) => {
      this.columns.push(series.length);
      series.push({ label: curve.name, stroke: colour(place), width: 2, points: { show: curve.times.length < 3 }, spanGaps: false });
      if (!curve.low) return;
      const hidden = { stroke: null, width: 0, points: { show: false } };
      series.push({ ...hidden, label: "low" }, { ...hidden, label: "high" });
      bands.push({ series: [series.length - 1, series.length - 2], fill: () => css(`${NAMES[place % NAMES.length]}-band`) });
    });
    const axis = { stroke: () => css("--soft"), grid: { stroke: () => css("--rule"), width: 1 }, ticks: { stroke: () => css("--rule"), width: 1 }, font: "12px system-ui, sans-serif" };
    return {
      ...this.size(),
      tzDate: zone,
      padding: [16, 24, 0, 0],
      legend: { show: false },
      cursor: { sync: { key: "time" }, drag: { x: true, y: false }, points: { size: 7 } },
      scales: { x: { time: !this.rows, range: (plot, low, high) => this.extent(plot, low, high) }, y: { range: (_, low, high) => this.range(low, high, share) } },
      series,
      bands,
      axes: [{ ...axis, space: 84, values: this.rows ? (_, values) => values.map((value) => Math.round(value).toLocaleString("en")) : TIMES }, { ...axis, size: 62, values: (_, values) => values.map((value) => (value === null ? "" : shown(value))) }],
      hooks: { draw: [(plot) => drawMarks(plot, this.marks)], setCursor: [(plot) => this.tell(plot.cursor.idx)] },
    };
  }

  // All of event time where nothing smaller was chosen, so that charts that begin later can be compared.
  extent(plot, low, high) {
    const times = plot.data[0];
    const all = low === times[0] && high === times.at(-1);
    return all && this.marks.extent ? this.marks.extent : [low, high];
  }

  range(low, high, share) {
    if (low === null || high === null) return [0, 1];
    const room = (high - low) * 0.08 || Math.abs(high) * 0.05 || (share ? 0.01 : 1);
    const bottom = this.floor || (share && low < 0.25) ? Math.min(0, low) : low - room;
    return [bottom, share && high <= 1 ? Math.min(1, high + room) : high + room];
  }

  // The names with their colours, and the values under the cursor, or the newest.
  tell(index) {
    const data = this.plot?.data;
    if (!data || (this.curves.length === 1 && (index === null || index === undefined))) return this.legend.replaceChildren();
    const at = index ?? null;
    const shown = this.curves[0].unit === "share" ? percent : plain;
    const parts = this.curves.map((curve, place) => {
      const value = at === null ? null : data[this.columns[place]][at];
      const text = at === null ? curve.now : value === null || value === undefined ? "–" : shown(value);
      const key = make("i");
      key.style.background = `var(${NAMES[place % NAMES.length]})`;
      return make("span", {}, key, `${curve.name} `, make("b", {}, text));
    });
    const when = at === null ? null : make("span", { class: "soft" }, moment(data[0][at], this.rows));
    return this.legend.replaceChildren(...parts, ...(when ? [when] : []));
  }

  move(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || !this.plot) return;
    event.preventDefault();
    const last = this.plot.data[0].length - 1;
    this.index = Math.max(0, Math.min(last, (this.index ?? (step > 0 ? -1 : last + 1)) + step));
    this.plot.setCursor({ left: this.plot.valToPos(this.plot.data[0][this.index], "x"), top: 10 });
  }

  size() {
    return { width: Math.max(200, this.place.clientWidth || 600), height: this.height };
  }
}
