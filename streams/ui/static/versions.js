// Where the versions of a model came from, what the gate said of each, and what the retrainer decided.

import { address, make, section, table } from "./dom.js";
import { head } from "./model.js";
import { drawLineage, lineagePicture, versionTable } from "./version_table.js";

export class Page {
  constructor(query) {
    this.cause = (id) => make("a", { href: address("alert", { model: query.model, id }) }, `alert ${id.slice(0, 10)}`);
    this.head = head("versions", query);
    this.picture = lineagePicture();
    this.versions = make("div");
    this.decisions = make("div");
    this.element = make("div", {}, this.head.element, section("Versions", this.versions), section("Lineage", make("p", { class: "soft" }, "Causes and rows go into trainings, trainings make versions, versions go through gates."), this.picture), section("Decisions of the retrainer", this.decisions));
  }

  update(sections, changed) {
    if (changed.head) this.head.show(sections.head);
    if (changed.versions) this.versions.replaceChildren(sections.versions.length ? versionTable(sections.versions, this.cause) : make("p", {}, "No version of this model was announced."));
    if ("lineage" in changed) drawLineage(this.picture, sections.lineage);
    if (changed.decisions) {
      this.decisions.replaceChildren(sections.decisions.length ? table(["time", "event", "decision", "reason"], sections.decisions.map(([at, event, instruction, reason]) => [at, event, instruction, reason])) : make("p", {}, "None is known."));
    }
  }
}
