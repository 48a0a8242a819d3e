// Where the versions of a model came from, what the gate said of each, and what the retrainer decided.

import { address, make, section, table } from "./dom.js";
import { head } from "./model.js";

const cause = (version, model) => (version.cause_is_alert ? make("a", { href: address("alert", { model, id: version.cause }) }, `alert ${version.cause.slice(0, 10)}`) : version.cause || "–");

const details = (version) =>
  version.details.length ? make("details", {}, make("summary", {}, "Where it came from"), make("dl", { class: "pairs" }, version.details.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))))) : null;

export class Page {
  constructor(query) {
    this.query = query;
    this.head = head("versions", query);
    this.picture = make("div", { class: "lineage scroll", tabindex: "0", role: "region", "aria-label": "lineage of the versions" });
    this.versions = make("div");
    this.decisions = make("div");
    this.element = make("div", {}, this.head.element, section("Versions", this.versions), section("Lineage", make("p", { class: "soft" }, "Causes and rows go into trainings, trainings make versions, versions go through gates."), this.picture), section("Decisions of the retrainer", this.decisions));
  }

  update(sections, changed) {
    if (changed.head) this.head.show(sections.head);
    if (changed.versions) {
      const rows = sections.versions.map((version) => [make("b", {}, version.version), [version.serving ? "serving, " : "", version.said, make("br"), make("span", { class: "soft" }, version.at)], version.parent || "–", cause(version, this.query.model), version.rows, [version.evidence, details(version)]]);
      this.versions.replaceChildren(rows.length ? table(["version", "verdict", "parent", "cause", "rows", "evidence of the gate"], rows) : make("p", {}, "No version of this model was announced."));
    }
    if ("lineage" in changed) this.draw(sections.lineage);
    if (changed.decisions) {
      this.decisions.replaceChildren(sections.decisions.length ? table(["time", "event", "decision", "reason"], sections.decisions.map(([at, event, instruction, reason]) => [at, event, instruction, reason])) : make("p", {}, "None is known."));
    }
  }

  // The picture is made by the server from escaped texts, and read as XML: a script in it would not run, as the page's policy forbids it.
  draw(text) {
    const read = text ? new DOMParser().parseFromString(text, "image/svg+xml").documentElement : null;
    this.picture.replaceChildren(read?.localName === "svg" ? document.importNode(read, true) : make("p", {}, "No version was announced."));
  }
}
