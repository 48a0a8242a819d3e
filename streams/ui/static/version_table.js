// Where the versions of a model came from, and what the gate said of each.

import { make, table } from "./dom.js";

const details = (version) =>
  version.details.length ? make("details", {}, make("summary", {}, "Where it came from"), make("dl", { class: "pairs" }, version.details.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))))) : null;

// cause: makes the link to the alert that a version was trained for.
export const versionTable = (versions, cause) =>
  table(
    ["version", "verdict", "parent", "cause", "rows", "evidence of the gate"],
    versions.map((version) => [
      make("b", {}, version.version),
      [version.serving ? "serving, " : "", version.said, make("br"), make("span", { class: "soft" }, version.at)],
      version.parent || "–",
      version.cause_is_alert ? cause(version.cause) : version.cause || "–",
      version.rows,
      [version.evidence, details(version)],
    ]),
  );

export const lineagePicture = () => make("div", { class: "lineage scroll", tabindex: "0", role: "region", "aria-label": "lineage of the versions" });

// The picture is made in Python from escaped texts, and read as XML: a script in it would not run, as the page's policy forbids it.
export const drawLineage = (place, text) => {
  const read = text ? new DOMParser().parseFromString(text, "image/svg+xml").documentElement : null;
  place.replaceChildren(read?.localName === "svg" ? document.importNode(read, true) : make("p", {}, "No version was announced."));
};
