// The last values of a metric, with their interval, as a line of the height of a word.

import { draw } from "./dom.js";

const WIDTH = 120;
const HEIGHT = 28;

const path = (points) => {
  let text = "";
  let pen = "M";
  for (const [x, y] of points) {
    if (y === null) pen = "M";
    else {
      text += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
      pen = "L";
    }
  }
  return text;
};

export const sparkline = () => draw("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, "aria-hidden": "true" }, draw("path", { class: "band" }), draw("path", { class: "line" }), draw("circle", { r: 2.2 }));

export const drawSparkline = (svg, spark) => {
  const [band, line, dot] = svg.children;
  const values = spark?.values ?? [];
  const known = [values, spark?.low ?? [], spark?.high ?? []].flat().filter((value) => value !== null);
  svg.classList.toggle("empty", known.length === 0);
  if (known.length === 0) return;
  const lowest = Math.min(...known);
  const range = Math.max(...known) - lowest || Math.abs(lowest) * 0.1 || 1;
  const x = (place) => 3 + (place * (WIDTH - 6)) / Math.max(1, values.length - 1);
  const y = (value) => (value === null ? null : HEIGHT - 3 - ((value - lowest) / range) * (HEIGHT - 6));
  line.setAttribute("d", path(values.map((value, place) => [x(place), y(value)])));
  const both = values.map((_, place) => place).filter((place) => spark.low[place] !== null && spark.high[place] !== null);
  const edge = [...both.map((place) => [x(place), y(spark.high[place])]), ...both.reverse().map((place) => [x(place), y(spark.low[place])])];
  band.setAttribute("d", edge.length ? `${path(edge)}Z` : "");
  const last = values.findLastIndex((value) => value !== null);
  dot.setAttribute("cx", x(Math.max(0, last)));
  dot.setAttribute("cy", last < 0 ? -9 : y(values[last]));
};
