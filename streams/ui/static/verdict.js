// What is said of a model in one sentence, and the facts below it.

import { badge, make } from "./dom.js";

export const verdict = () => {
  const place = make("p", { class: "verdict" });
  const facts = make("dl", { class: "facts" });
  const notes = make("ul", { class: "notes", hidden: true });
  const show = (told) => {
    place.dataset.state = told.state;
    place.replaceChildren(badge(told.state), make("span", { class: "sentence" }, told.sentence));
    facts.replaceChildren(...told.facts.map(([name, text]) => make("div", {}, make("dt", {}, name), make("dd", {}, text))));
    notes.hidden = told.notes.length === 0;
    notes.replaceChildren(...told.notes.map((note) => make("li", {}, note)));
  };
  return { elements: [place, facts, notes], show };
};
