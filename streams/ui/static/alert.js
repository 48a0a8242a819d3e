// One alert in words.

import { address, make, say } from "./dom.js";
import { AlertStory } from "./alert_story.js";

export class Page {
  constructor(query) {
    this.title = make("h1", {}, "Alert");
    this.lead = make("p", { class: "lead" });
    this.facts = make("dl", { class: "facts" });
    this.story = new AlertStory(2);
    const nav = make("nav", { "aria-label": "views" }, make("a", { href: "/" }, "All models"), make("a", { href: address("model", { name: query.model }) }, query.model));
    this.element = make("div", {}, nav, this.title, this.lead, this.facts, this.story.element);
  }

  update(sections, changed) {
    if (changed.alert) this.show(sections.alert);
    this.story.update(sections, changed);
  }

  show(alert) {
    this.element.dataset.state = alert.state;
    say(this.title, `${alert.kind} alert, ${alert.severity}, ${alert.state}`);
    say(this.lead, alert.headline);
    const facts = [["changed about", alert.changed], ["reported", `${alert.opened}, ${alert.delay} later`], ["resolved", alert.until || "not yet"], ["model version", alert.version || "–"], ["false-alarm budget", alert.budget], ["what was done", alert.action || "nothing was retrained because of it"], ["alert", alert.id]];
    this.facts.replaceChildren(...facts.map(([name, text]) => make("div", {}, make("dt", {}, name), make("dd", {}, text))));
    document.title = `${alert.kind} alert – Driftwarden`;
  }
}
