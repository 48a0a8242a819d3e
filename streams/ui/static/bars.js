// Reference and current side by side, a pair of bars for each bin or level: a table whose numbers are drawn.

import { make } from "./dom.js";

const percent = (value) => (value === null ? "–" : `${+(100 * value).toPrecision(3)} %`);
const plain = (value) => (value === null ? "–" : `${+value.toPrecision(4)}`);

const bar = (kind, value, most, shown) => {
  const line = make("i", { class: kind });
  line.style.width = `${value === null ? 0 : Math.max(0.5, (100 * Math.abs(value)) / most)}%`;
  return make("span", { class: "bar" }, make("span", { class: "track" }, line), make("span", { class: "figure" }, shown(value)));
};

export const bars = ({ unit, labels, reference, current }) => {
  const shown = unit.startsWith("share") ? percent : plain;
  const most = Math.max(...[...reference, ...current].map((value) => Math.abs(value ?? 0)), 1e-12);
  return make(
    "table",
    { class: "bars" },
    make("caption", {}, make("span", { class: "reference-key" }, "reference"), make("span", { class: "current-key" }, "current"), unit),
    make("thead", { class: "unseen" }, make("tr", {}, ["value", "reference and current"].map((text) => make("th", { scope: "col" }, text)))),
    make("tbody", {}, labels.map((label, place) => make("tr", {}, make("th", { scope: "row" }, label), make("td", {}, bar("reference", reference[place], most, shown), bar("current", current[place], most, shown))))),
  );
};
