/** The form of one service, made from the schema of its protocol: what most need first, the rest folded. */

import "./fields.js";
import "./groups.js";
import { control, labelOf } from "./control.js";
import { make } from "./dom.js";
import { alternatives, members, protocols, resolved, steps } from "./shapes.js";

const FIRST = ["listen"];
const LAST = ["description"];

/**
 * A form for the settings of a service.
 *
 * @param {object} schemas the schemas of the interface, by name.
 * @param {function(string): string} freeListen returns a free address for "tcp" or "udp".
 */
export class Form {
  constructor(schemas, freeListen) {
    this.schemas = schemas;
    this.freeListen = freeListen;
    this.variants = protocols(schemas);
    this.node = make("div", { class: "form" });
    this.kept = {};
  }

  /** Show the settings of a service. */
  fill(settings, protocol) {
    this.kept = { ...settings };
    this.written = "protocol" in settings;
    this.build(protocol ?? settings.protocol ?? [...this.variants.keys()][0]);
  }

  build(protocol) {
    this.protocol = protocol;
    const schema = this.variants.get(protocol) ?? [...this.variants.values()][0];
    const found = new Map(members(schema, this.schemas).map((member) => [member.name, member]));
    found.delete("protocol");
    const shared = this.shared();
    const own = [...found.keys()].filter((name) => !shared.has(name));
    const more = [...found.keys()].filter((name) => shared.has(name) && ![...FIRST, ...LAST].includes(name));
    this.controls = new Map();
    this.choices = [];
    const nodes = (names) => this.grouped(names.filter((name) => found.has(name)), found, alternatives(schema));
    const folded = nodes(more);
    this.more = make(
      "details",
      { class: "more" },
      make("summary", {}, make("span", { t: "more" }), this.moreCount()),
      make("div", { class: "members" }, ...folded),
    );
    this.more.open = this.count > 0;
    const first = nodes(FIRST);
    this.node.replaceChildren(this.chooser(), ...first, ...nodes(own), ...nodes(LAST), this.more);
  }

  /** How many of the folded settings are given. */
  moreCount() {
    this.count = [...this.controls.keys()].filter((name) => name in this.kept).length;
    return this.count > 0 && make("span", { class: "badge", t: ["more.given", { count: this.count }] });
  }

  /** The settings that every protocol has. */
  shared() {
    const each = [...this.variants.values()].map((schema) => new Set(Object.keys(schema.properties)));
    return new Set([...each[0]].filter((name) => each.every((names) => names.has(name))));
  }

  chooser() {
    const select = make("select", { id: "setting-protocol", onchange: () => this.turn(select.value) });
    for (const [word, schema] of this.variants) {
      const about = resolved(schema.properties.protocol, this.schemas).description ?? "";
      select.append(make("option", { value: word, t: [`protocol.${word}`, { otherwise: `${word}: ${about}` }] }));
    }
    select.value = this.protocol;
    return make(
      "div",
      { class: "field", "data-path": "protocol" },
      make("label", { for: "setting-protocol", t: "field.protocol" }),
      make("div", { class: "control" }, select),
      (this.problem = make("p", { class: "problem", hidden: true })),
    );
  }

  /** Change the protocol, and keep what was typed, for the case that it comes back. */
  turn(protocol) {
    this.kept = { ...this.kept, ...this.read([]) };
    this.written = true;
    this.build(protocol);
    this.node.querySelector("select").focus();
  }

  grouped(names, found, pairs) {
    const nodes = [];
    const done = new Set();
    for (const name of names) {
      const pair = pairs.find((each) => each.includes(name) && each.every((one) => found.has(one)));
      if (!pair) {
        nodes.push(this.one(found.get(name)).node);
      } else if (!done.has(pair)) {
        done.add(pair);
        nodes.unshift(this.choice(pair.map((each) => found.get(each))));
      }
    }
    return nodes;
  }

  one(member) {
    const { name } = member;
    const listens = ["tcp", "udp"].map((kind) => ({ t: `add.listen.${kind}`, value: () => this.freeListen(kind) }));
    const starters = name === "listen" ? listens : undefined;
    const place = { ...member, key: name, path: name, starters, begun: member.required || name === "reply" };
    const made = control(member.shape, place, this.kept[name]);
    this.controls.set(name, made);
    return made;
  }

  /** Two settings of which one may be given. */
  choice(pair) {
    const controls = pair.map((member) => this.one(member));
    const given = pair.findIndex(({ name }) => name in this.kept);
    const state = { names: pair.map(({ name }) => name), chosen: Math.max(given, 0) };
    const show = (index) => {
      state.chosen = index;
      controls.forEach(({ node }, each) => (node.hidden = each !== index));
    };
    const radios = pair.map((member, index) => {
      const radio = make("input", { type: "radio", name: `choice-${pair[0].name}`, onchange: () => show(index) });
      radio.checked = index === state.chosen;
      const label = make("span", { t: [`choice.${member.name}`, { otherwise: labelOf({ key: member.name })[1].otherwise }] });
      return make("label", {}, radio, label);
    });
    show(state.chosen);
    this.choices.push(state);
    const bar = make("div", { class: "segmented", role: "radiogroup", "t-aria-label": "choice" }, ...radios);
    return make("div", { class: "choice" }, bar, ...controls.map(({ node }) => node));
  }

  /** Bring the cursor to the first setting. */
  focus() {
    this.controls.values().next().value.focus();
  }

  /** Return the settings; what cannot be read goes to `faults`. */
  read(faults) {
    const unknown = Object.entries(this.kept).filter(([name]) => !this.known().has(name));
    const settings = Object.fromEntries(unknown);
    const unchosen = new Set(this.choices.flatMap(({ names, chosen }) => names.filter((_, at) => at !== chosen)));
    for (const [name, each] of this.controls) {
      const value = unchosen.has(name) ? undefined : each.read(faults);
      if (value !== undefined) {
        settings[name] = value;
      }
    }
    const { listen, ...others } = settings;
    return { listen, ...(this.written && { protocol: this.protocol }), ...others };
  }

  /** Every setting that some protocol has. */
  known() {
    return new Set([...this.variants.values()].flatMap((schema) => Object.keys(schema.properties)));
  }

  /** Forget all problems. */
  absolve() {
    this.controls.forEach((each) => each.each((inner) => inner.absolve()));
    this.problem.hidden = true;
  }

  /** Show a problem beside its field, and return the control, or null if it has none. */
  blame(path, sentence, values = null) {
    const [name, ...rest] = steps(path);
    if (name === "protocol") {
      this.problem.textContent = sentence;
      this.problem.hidden = false;
      return { focus: () => this.node.querySelector("select").focus() };
    }
    const found = this.controls.get(name)?.at(rest) ?? null;
    if (found) {
      found.blame(sentence, values);
      this.reveal(found);
    }
    return found;
  }

  /** Unfold what hides a control. */
  reveal(found) {
    if (this.more.contains(found.node)) {
      this.more.open = true;
    }
  }
}
