// How far each column is from its reference, over event time: brightness tells it, a bar below tells an alarm.

import { css, make, say, table } from "./dom.js";
import { moment } from "./times.js";

const ROW = 22;
const AXIS = 22;
// Brightness falls all the way, with a step at 1, where it matters: it reads without hue, and in print.
const SCALE = [[0, [128, 128, 128, 0.08]], [0.6, [253, 237, 192, 1]], [0.98, [251, 210, 122, 1]], [1.02, [238, 138, 44, 1]], [1.5, [201, 71, 31, 1]], [2, [94, 11, 22, 1]]];

const colour = (value) => {
  const place = SCALE.findIndex(([edge]) => value <= edge);
  if (place === 0) return `rgba(${SCALE[0][1]})`;
  if (place < 0) return `rgba(${SCALE.at(-1)[1]})`;
  const [[from, low], [to, high]] = [SCALE[place - 1], SCALE[place]];
  const part = (value - from) / (to - from);
  return `rgba(${low.map((one, index) => one + part * (high[index] - one))})`;
};

const told = (value) => (value === null ? "–" : value.toFixed(2));

export class HeatMap {
  // rows: whether times are rows of a table.
  constructor({ rows = false } = {}) {
    this.rows = rows;
    this.unit = make("p", { class: "soft" });
    this.readout = make("p", { class: "legend", "aria-live": "polite" });
    this.names = make("ol", { class: "names" });
    this.canvas = make("canvas", { role: "img", tabindex: "0" });
    this.holder = make("div", { class: "cells" }, this.canvas);
    this.numbers = make("details", {}, make("summary", {}, "The newest values as numbers"));
    this.element = make("figure", { class: "chart heat" }, this.unit, make("div", { class: "scale", "aria-hidden": "true" }, make("span", {}, "0"), make("i"), make("span", {}, "2 or more")), this.readout, make("div", { class: "map" }, this.names, this.holder), this.numbers);
    this.canvas.addEventListener("pointermove", (event) => this.point(event));
    this.canvas.addEventListener("pointerleave", () => this.read(null));
    this.canvas.addEventListener("keydown", (event) => this.move(event));
    new ResizeObserver(() => this.fit()).observe(this.holder);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.fit());
  }

  show(heat) {
    this.element.hidden = heat === null;
    this.heat = heat;
    if (heat === null) return;
    const left = heat.left_out ? ` ${heat.left_out} columns that changed less are left out.` : "";
    say(this.unit, `Colour: ${heat.unit}; 1 and more is a change that matters. A blue bar: the monitor was in alarm.${left}`);
    const alarms = heat.names.filter((_, row) => heat.alarmed[row].at(-1));
    this.canvas.setAttribute("aria-label", `drift of ${heat.names.length} columns over event time; in alarm now: ${alarms.join(", ") || "none"}. Arrow keys read single cells.`);
    if (JSON.stringify(heat.names) !== this.shown) {
      this.shown = JSON.stringify(heat.names);
      this.names.replaceChildren(...heat.names.map((name) => make("li", { title: name }, name)));
    }
    this.numbers.replaceChildren(this.numbers.firstElementChild, table(["column", "now", "alarm"], heat.names.map((name, row) => [name, told(heat.values[row].at(-1)), heat.alarmed[row].at(-1) ? "in alarm" : "no"])));
    this.paint();
  }

  // To the width of its place, in the colours of now.
  fit() {
    if (this.heat) this.paint();
  }

  paint() {
    const { names, values, alarmed, times } = this.heat;
    const width = this.holder.clientWidth;
    const height = names.length * ROW + AXIS;
    const ratio = devicePixelRatio;
    if (this.canvas.width !== width * ratio || this.canvas.height !== height * ratio) {
      Object.assign(this.canvas, { width: width * ratio, height: height * ratio });
      Object.assign(this.canvas.style, { width: `${width}px`, height: `${height}px` });
    }
    const pen = this.canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const [begin, end] = [times[0], times.at(-1)];
    this.x = (seconds) => ((seconds - begin) / (end - begin || 1)) * width;
    const blue = css("--blue");
    values.forEach((row, place) => {
      row.forEach((value, cell) => {
        const left = Math.round(this.x(times[cell]));
        const wide = Math.max(1, Math.round(this.x(times[cell + 1])) - left);
        if (value !== null) {
          pen.fillStyle = colour(value);
          pen.fillRect(left, place * ROW + 1, wide, ROW - 3);
        }
        if (alarmed[place][cell]) {
          pen.fillStyle = blue;
          pen.fillRect(left, place * ROW + ROW - 5, wide, 3);
        }
      });
    });
    pen.fillStyle = css("--soft");
    pen.font = "12px system-ui, sans-serif";
    pen.textBaseline = "bottom";
    const marks = Math.max(2, Math.floor(width / 170));
    for (let mark = 0; mark < marks; mark++) {
      pen.textAlign = mark === 0 ? "left" : mark === marks - 1 ? "right" : "center";
      const told = moment(begin + ((end - begin) * mark) / (marks - 1), this.rows);
      pen.fillText(this.rows ? told : told.slice(5, 16), (width * mark) / (marks - 1), height - 2);
    }
  }

  point(event) {
    const seconds = this.heat.times[0] + (event.offsetX / this.holder.clientWidth) * (this.heat.times.at(-1) - this.heat.times[0]);
    const cell = Math.max(0, this.heat.times.findLastIndex((time) => time <= seconds));
    this.read({ row: Math.min(this.heat.names.length - 1, Math.floor(event.offsetY / ROW)), cell: Math.min(cell, this.heat.times.length - 2) });
  }

  move(event) {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!step) return;
    event.preventDefault();
    const last = this.heat.times.length - 2;
    const { row, cell } = this.at ?? { row: 0, cell: last };
    this.read({ row: Math.max(0, Math.min(this.heat.names.length - 1, row + step[0])), cell: Math.max(0, Math.min(last, cell + step[1])) });
  }

  read(at) {
    this.at = at;
    const { names, values, alarmed, times } = this.heat;
    say(this.readout, at ? `${names[at.row]}: ${told(values[at.row][at.cell])}${alarmed[at.row][at.cell] ? ", in alarm" : ""} · ${moment(times[at.cell], this.rows)}` : "");
  }
}
