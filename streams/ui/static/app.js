// Asks the server for the sections of this page, and gives each that changes to the page's own module.

import { make, say } from "./dom.js";

const PAGES = {
  "/": { name: "fleet", load: () => import("./fleet.js") },
  "/model": { name: "model", load: () => import("./model.js") },
  "/alert": { name: "alert", load: () => import("./alert.js") },
  "/versions": { name: "versions", load: () => import("./versions.js") },
};

const main = document.getElementById("main");
const status = document.getElementById("status");
const asked = new URLSearchParams(location.search);
const page = PAGES[location.pathname] ?? PAGES["/"];
const query = { model: asked.get("name") ?? asked.get("model") ?? "", version: asked.get("version") ?? "", segment: asked.get("segment") ?? "", alert: asked.get("id") ?? "" };
const notes = make("ul", { class: "notes", hidden: true });
const missing = make("p", { class: "missing", hidden: true });

const tell = (told) => {
  status.dataset.state = told.state;
  say(status, told.newest && told.state === "live" ? `live · ${told.newest}` : told.told);
  notes.hidden = told.notes.length === 0;
  notes.replaceChildren(...told.notes.map((note) => make("li", {}, note)));
};

const begin = async () => {
  const { Page } = await page.load();
  const shown = new Page(query);
  main.replaceChildren(notes, missing, shown.element);
  const sections = {};
  const stream = new EventSource(`/api/events?${new URLSearchParams({ page: page.name, ...query })}`);
  // A new connection begins with all sections; what went away meanwhile is not among them.
  stream.onopen = () => {
    for (const name of Object.keys(sections)) delete sections[name];
  };
  stream.onmessage = (message) => {
    const began = performance.now();
    const changed = JSON.parse(message.data);
    Object.assign(sections, changed);
    if (changed.status) tell(changed.status);
    missing.hidden = !sections.missing;
    say(missing, sections.missing ?? "");
    shown.element.hidden = Boolean(sections.missing);
    if (!sections.missing) shown.update(sections, changed);
    // How long an update takes is a promise of ours: it is measured where it happens.
    performance.measure("driftwarden:update", { start: began });
  };
  stream.onerror = () => {
    status.dataset.state = "away";
    say(status, stream.readyState === EventSource.CLOSED ? "the page was refused; load it again" : "no connection to driftwarden ui; trying again");
  };
};

begin();
