// Elements made from texts: nothing that comes from the topics is ever read as HTML.

const SVG = "http://www.w3.org/2000/svg";

const filled = (element, attributes, children) => {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
};

export const make = (tag, attributes = {}, ...children) => filled(document.createElement(tag), attributes, children);
export const draw = (tag, attributes = {}, ...children) => filled(document.createElementNS(SVG, tag), attributes, children);

// Only what differs is written, so that an update that changes little costs little.
export const say = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};

export const address = (page, query) => `/${page}?${new URLSearchParams(Object.entries(query).filter(([, value]) => value)).toString()}`;

export const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// A shape for each state, so that nobody has to tell colours apart.
const SHAPES = {
  healthy: () => draw("circle", { cx: 8, cy: 8, r: 5.5, fill: "currentColor" }),
  recovered: () => [draw("circle", { cx: 8, cy: 8, r: 5.5, fill: "none", stroke: "currentColor", "stroke-width": 2 }), draw("circle", { cx: 8, cy: 8, r: 2, fill: "currentColor" })],
  changed: () => draw("path", { d: "M8 2.5 14 13.5H2z", fill: "currentColor" }),
  unhealthy: () => draw("path", { d: "M8 1.5 14.5 8 8 14.5 1.5 8z", fill: "currentColor" }),
  "not judged": () => draw("circle", { cx: 8, cy: 8, r: 5.5, fill: "none", stroke: "currentColor", "stroke-width": 2, "stroke-dasharray": "2.5 2" }),
  "not proven": () => draw("path", { d: "M8 3.5 13 13H3z", fill: "none", stroke: "currentColor", "stroke-width": 2 }),
};

export const badge = (state) =>
  make("span", { class: `state ${state.replace(" ", "-")}` }, draw("svg", { viewBox: "0 0 16 16", width: 14, height: 14, "aria-hidden": "true" }, (SHAPES[state] ?? SHAPES["not judged"])()), state);

export const table = (heads, rows) =>
  make(
    "div",
    { class: "scroll" },
    make("table", {}, make("thead", {}, make("tr", {}, heads.map((head) => make("th", { scope: "col" }, head)))), make("tbody", {}, rows.map((row) => make("tr", {}, row.map((cell) => make("td", {}, cell)))))),
  );

export const part = (level, title, ...children) => make("section", {}, make(`h${level}`, {}, title), ...children);

export const section = (title, ...children) => part(2, title, ...children);
