// Draws the report with what draws the live page; what stands in the file without scripts makes way for it.

import { AlertStory } from "../ui/static/alert_story.js";
import { make, part, section, table } from "../ui/static/dom.js";
import { ModelView } from "../ui/static/model_view.js";
import { verdict } from "../ui/static/verdict.js";
import { drawLineage, lineagePicture, versionTable } from "../ui/static/version_table.js";

const OPEN_ON_SCREEN = 1; // alerts whose evidence is shown without a click; of more it would bury the rest
const OPEN_ON_PAPER = 3;

const shown = JSON.parse(document.getElementById("sections").textContent);

const unfold = (most) => shown.alerts.length <= most;
const stories = [];

// The evidence is made when it is opened: a long history may hold hundreds of alerts.
const alertItem = (alert) => {
  const details = make("details", {}, make("summary", {}, "What to do, evidence, and its life"));
  const tell = () => {
    if (!details.open || details.children.length > 1) return;
    const story = new AlertStory(4);
    story.update(alert.story, alert.story);
    const facts = [["alert", alert.id], ["model version", alert.version || "–"], ["false-alarm budget", alert.budget]];
    details.append(make("dl", { class: "facts" }, facts.map(([name, text]) => make("div", {}, make("dt", {}, name), make("dd", {}, text)))), story.element);
  };
  details.addEventListener("toggle", tell);
  details.open = unfold(OPEN_ON_SCREEN);
  tell();
  stories.push({ details, tell });
  return make(
    "li",
    { class: `alert ${alert.severity} ${alert.state}`, id: `alert-${alert.id}` },
    make("div", { class: "line" }, make("h3", {}, `${alert.kind}, ${alert.severity}`), make("b", {}, alert.state === "open" ? "open" : `resolved ${alert.until}`)),
    make("p", {}, alert.summary),
    alert.ending ? make("p", { class: "soft" }, alert.ending) : null,
    make("p", { class: "soft" }, alert.told),
    details,
  );
};

const columns = () => {
  const rows = shown.columns.map((column) => [column.name, column.alarmed ? make("b", {}, column.state) : column.state, column.effect, column.floor, column.psi, column.jensen_shannon, column.n]);
  return make("details", {}, make("summary", {}, `Last values of ${rows.length === 1 ? "one column" : `${rows.length} columns`}`), ...shown.columns_explained.map((sentence) => make("p", { class: "soft" }, sentence)), table(shown.columns_heads, rows));
};

const model = new ModelView({ item: alertItem, rows: shown.rows });
const told = verdict();
const picture = lineagePicture();
const causeLink = (id) => make("a", { href: `#alert-${id}` }, `alert ${id.slice(0, 10)}`);
const { performance, alerts, drift, quality, service } = model.parts;

document.getElementById("report").replaceChildren(
  make("h1", {}, shown.title),
  ...told.elements,
  ...(shown.scoreboard.length ? [section("Scoreboard", table(shown.scoreboard[0], shown.scoreboard.slice(1)))] : []),
  performance,
  alerts,
  drift,
  quality,
  service,
  ...(shown.versions.length ? [section("Versions", versionTable(shown.versions, causeLink), part(3, "Lineage", picture))] : []),
);
told.show(shown.head);
model.update(shown, shown);
if (shown.columns.length) {
  model.heat.numbers.remove(); // the table below says more
  drift.append(columns());
}
drift.hidden = shown.heat === null && shown.columns.length === 0;
drawLineage(picture, shown.lineage);

// A link to an alert opens its evidence.
const openLinked = () => document.getElementById(decodeURIComponent(location.hash.slice(1)))?.querySelector(":scope > details")?.setAttribute("open", "");
addEventListener("hashchange", openLinked);
openLinked();

// Charts are drawn for a screen; on paper they are as wide as the page, in light colours, before it is laid out.
let unfolded = [];
addEventListener("beforeprint", () => {
  unfolded = unfold(OPEN_ON_PAPER) ? stories.filter(({ details }) => !details.open) : [];
  for (const { details, tell } of unfolded) {
    details.open = true;
    tell();
  }
  document.documentElement.classList.add("printing");
  model.fit();
});
addEventListener("afterprint", () => {
  for (const { details } of unfolded) details.open = false;
  document.documentElement.classList.remove("printing");
  model.fit();
});
