/** The controls that hold others: lists, groups, and one of several. */

import { Control, control, labelOf, register } from "./control.js";
import { make } from "./dom.js";

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/**
 * A list, whose items can be added, removed and, where their order matters, moved.
 *
 * `place.starters` are the buttons that add an item: {t, value} with a function that returns the new value.
 */
class Many extends Control {
  constructor(shape, place, value) {
    super(shape, place, value);
    this.rows = make("ol", { class: "items" });
    this.items = [];
    this.reported = [];
    const starters = place.starters ?? [{ t: [`add.${place.key}`, { otherwise: "+" }], value: () => undefined }];
    this.adders = starters.map(({ t, value: begin }) =>
      make("button", { type: "button", class: "quiet small", t, onclick: () => this.grow(begin()).focus() }),
    );
    this.enclose(this.rows, make("div", { class: "row" }, ...this.adders));
    const values = value === undefined ? [] : Array.isArray(value) ? value : [value];
    values.forEach((each) => this.grow(each));
    if (!values.length && place.begun) {
      this.grow(undefined);
    }
  }

  grow(value) {
    const { name, key, path } = this.place;
    const index = this.items.length;
    const title = this.place.title;
    const item = control(this.shape.item, { name, key, title, path: `${path}[${index}]`, bare: true, index }, value);
    this.items.push(item);
    this.rows.append(this.row(item));
    return item;
  }

  row(item) {
    const ordered = ["group", "text"].includes(this.shape.item.kind);
    const act = (t, sign, run, more) =>
      make("button", { type: "button", class: ["icon", more], "t-aria-label": t, "t-title": t, onclick: run }, sign);
    const row = make(
      "li",
      { class: ["item", this.shape.item.kind === "group" && "card"] },
      item.node,
      make(
        "div",
        { class: "acts" },
        ordered && act("item.up", "↑", () => this.move(item, -1), "move"),
        ordered && act("item.down", "↓", () => this.move(item, 1), "move"),
        act("item.remove", "×", () => this.drop(item)),
      ),
    );
    item.row = row;
    return row;
  }

  move(item, by) {
    const from = this.items.indexOf(item);
    const to = from + by;
    if (to < 0 || to >= this.items.length) {
      return;
    }
    const focused = document.activeElement;
    this.items.splice(from, 1);
    this.items.splice(to, 0, item);
    this.rows.insertBefore(item.row, this.rows.children[by > 0 ? to + 1 : to] ?? null);
    this.renumber();
    focused.focus();
  }

  drop(item) {
    const index = this.items.indexOf(item);
    this.items.splice(index, 1);
    item.row.remove();
    this.renumber();
    (this.items[index] ?? this.items[index - 1])?.focus();
    if (!this.items.length) {
      this.adders[0].focus();
    }
  }

  renumber() {
    this.items.forEach((item, index) => item.count(index));
  }

  value(faults) {
    const read = this.items.map((item) => [item, item.read(faults)]).filter(([, value]) => value !== undefined);
    this.reported = read.map(([item]) => item);
    const values = read.map(([, value]) => value);
    const before = this.given === undefined || Array.isArray(this.given) ? this.given : [this.given];
    if (same(values, before)) {
      return this.given;
    }
    if (!values.length) {
      return undefined;
    }
    const lone = this.shape.lone && values.length === 1 && !Array.isArray(this.given);
    return lone ? values[0] : values;
  }

  at([index, ...rest]) {
    if (index === undefined) {
      return this.reported.length === 1 && this.shape.lone ? this.reported[0].at([]) : this;
    }
    return this.reported[index]?.at(rest) ?? this;
  }

  each(visit) {
    visit(this);
    this.items.forEach((item) => item.each(visit));
  }

  focus() {
    (this.items[0] ?? this.adders[0]).focus();
  }
}

/** Several settings that belong together. */
class Group extends Control {
  constructor(shape, place, value) {
    super(shape, place, value);
    const dot = place.path && ".";
    this.inside = new Map(
      shape.members.map((member) => {
        const own = { ...member, key: `${place.key}.${member.name}`, path: `${place.path}${dot}${member.name}` };
        return [member.name, control(member.shape, { ...own, begun: place.bare }, value?.[member.name])];
      }),
    );
    this.enclose(make("div", { class: "members" }, ...[...this.inside.values()].map(({ node }) => node)));
  }

  value(faults) {
    const made = { ...this.given };
    for (const [name, member] of this.inside) {
      const value = member.read(faults);
      if (value === undefined) {
        delete made[name];
      } else {
        made[name] = value;
      }
    }
    return Object.keys(made).length || this.given !== undefined ? made : undefined;
  }

  at([name, ...rest]) {
    return this.inside.get(name)?.at(rest) ?? this;
  }

  each(visit) {
    visit(this);
    this.inside.forEach((member) => member.each(visit));
  }
}

/** One of several settings, or none. */
class Pick extends Control {
  constructor(shape, place, value) {
    super(shape, place, value);
    const name = shape.members.find((member) => value && member.name in value)?.name ?? "";
    const select = make(
      "select",
      { onchange: () => this.turn(undefined) },
      make("option", { value: "", t: [`none.${place.key}`, { otherwise: "-" }] }),
      ...shape.members.map((member) =>
        make("option", { value: member.name, t: labelOf({ ...member, key: `${place.key}.${member.name}` }) }),
      ),
    );
    this.inside = make("div", { class: "inside" });
    this.assemble(select);
    this.node.append(this.inside);
    select.value = name;
    this.turn(value?.[name]);
  }

  turn(value) {
    const member = this.shape.members.find(({ name }) => name === this.input.value);
    const { key, path } = this.place;
    this.part = null;
    if (member) {
      const own = { ...member, key: `${key}.${member.name}`, path: `${path}.${member.name}`, required: true, part: true };
      this.part = control(member.shape, own, value);
    }
    this.inside.replaceChildren(...(this.part ? [this.part.node] : []));
  }

  value(faults) {
    if (!this.part) {
      return undefined;
    }
    const value = this.part.read(faults);
    return value === undefined ? {} : { [this.input.value]: value };
  }

  at([name, ...rest]) {
    return this.part && name === this.input.value ? this.part.at(rest) : this;
  }

  each(visit) {
    visit(this);
    this.part?.each(visit);
  }
}

register("many", Many);
register("group", Group);
register("pick", Pick);
