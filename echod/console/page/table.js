/** The table of services: made once for each service, and then only its numbers change. */

import { byId, draw, make, say } from "./dom.js";
import { brief, sized } from "./bytes.js";
import { Lines } from "./rates.js";
import { greets } from "./greet.js";
import { counted, knows, onLanguage, t, tell } from "./words.js";

/**
 * The table, with its search.
 *
 * @param {object} services see services.js.
 * @param {object} acts what its buttons do: functions of a service's name, `hello`, `attempt`, `watch`, `edit`, `view`,
 *     `remove`.
 */
export class Table {
  constructor(services, acts) {
    this.services = services;
    this.acts = acts;
    this.rows = new Map();
    this.body = byId("services-body");
    this.search = byId("search");
    this.search.addEventListener("input", () => this.show());
    byId("search-clear").addEventListener("click", () => {
      this.search.value = "";
      this.show();
      this.search.focus();
    });
    services.onChange(() => this.show());
    services.point = (name) => this.point(name);
    onLanguage(() => this.show());
  }

  show() {
    const { list, about } = this.services;
    const kept = new Map();
    const found = list.filter((service) => this.matches(service));
    for (const service of list) {
      const look = JSON.stringify([service.settings, service.source, service.addresses, service.protocol]);
      const before = this.rows.get(service.name);
      const row = before?.look === look ? before : this.row(service, look);
      row.count(service, this.services.rates.get(service.name));
      kept.set(service.name, row);
      if (row !== before) {
        before?.node.replaceWith(row.node);
      }
    }
    this.rows = kept;
    this.place(found.map(({ name }) => kept.get(name).node));
    byId("nothing").hidden = list.length > 0 || !about;
    byId("no-match").hidden = found.length > 0 || !list.length;
    tell(byId("no-match-text"), "search.nothing", { what: this.search.value });
    byId("services-table").hidden = !found.length;
    say(byId("services-count"), about ? String(list.length) : "");
  }

  /** Put the rows in their order, and move only those that are not there. */
  place(nodes) {
    const wanted = new Set(nodes);
    [...this.body.children].filter((node) => !wanted.has(node)).forEach((node) => node.remove());
    nodes.forEach((node, index) => {
      if (this.body.children[index] !== node) {
        this.body.insertBefore(node, this.body.children[index] ?? null);
      }
    });
  }

  matches({ name, protocol, description, addresses }) {
    const text = [name, protocol, description, ...addresses.map(({ listen, address }) => `${listen} ${address}`)];
    const sought = this.search.value.trim().toLowerCase();
    return sought.split(/\s+/).every((word) => text.join(" ").toLowerCase().includes(word));
  }

  /** Show where a service is, for a moment. */
  point(name) {
    const node = this.rows.get(name)?.node;
    node?.scrollIntoView({ block: "nearest" });
    node?.classList.add("pointed");
    setTimeout(() => node?.classList.remove("pointed"), 2500);
    node?.querySelector("button")?.focus({ preventScroll: true });
  }

  row(service, look) {
    const { name, source, addresses, protocol, description } = service;
    const open = make("span", { class: "number" });
    const messages = new Rate(["messages_received", "messages_sent"], brief);
    const bytes = new Rate(["received_bytes", "sent_bytes"], sized);
    const dropped = make("div", { class: "dropped" });
    const where = source.editable
      ? null
      : make("span", { class: "source", title: `${source.file}:${source.line}` }, lock(), `${lastPart(source.file)}:${source.line}`);
    const node = make(
      "tr",
      { role: "row", "data-name": name },
      make(
        "th",
        { scope: "row", role: "rowheader", class: "name" },
        make("span", { class: "service-name" }, name),
        description && make("span", { class: "about" }, description),
        where,
      ),
      cell("column.protocol", make("span", { class: "protocol" }, protocol)),
      cell("column.addresses", make("ul", { class: "addresses" }, ...addresses.map(addressed))),
      cell("column.open", open),
      cell("column.messages", messages.node),
      cell("column.bytes", bytes.node),
      cell("column.dropped", dropped),
      make("td", { role: "cell", class: "actions" }, ...this.buttons(service)),
    );
    return {
      node,
      look,
      count({ counters }, rates) {
        say(open, counted(counters.open));
        messages.show(rates);
        bytes.show(rates);
        showDropped(dropped, counters.dropped);
      },
    };
  }

  buttons(service) {
    const { name, source } = service;
    const button = (t, run, kind = "quiet") =>
      make("button", { type: "button", class: ["small", kind], t, "t-aria-label": [`${t}.of`, { name }], onclick: () => run(name) });
    return [
      greets(service) ? button("hello", this.acts.hello, "primary") : button("try", this.acts.attempt),
      button("watch", this.acts.watch),
      source.editable ? button("edit", this.acts.edit) : button("view", this.acts.view),
      source.editable && button("remove", this.acts.remove, "quiet danger"),
    ];
  }
}

function cell(column, ...children) {
  return make("td", { role: "cell", "t-data-label": column }, ...children);
}

/** One address: a coloured TCP or UDP, and where. */
function addressed({ address, datagram, kind }) {
  const word = datagram ? "UDP" : "TCP";
  return make(
    "li",
    {},
    make("span", { class: ["transport", datagram ? "udp" : "tcp"] }, kind.startsWith("ssl") ? "TLS" : word),
    make("code", {}, address),
  );
}

/** Return the name of a file without its directories. */
function lastPart(file) {
  return file.slice(file.lastIndexOf("/") + 1);
}

function lock() {
  const body = draw("rect", { x: 2, y: 5, width: 8, height: 6, rx: 1.5 });
  return draw("svg", { class: "lock", viewBox: "0 0 12 12", "aria-hidden": "true" }, body, draw("path", { d: "M4 5V3.6a2 2 0 0 1 4 0V5" }));
}

/** A rate in both directions: lines, and numbers. */
class Rate {
  constructor(names, written) {
    this.names = names;
    this.written = written;
    this.lines = new Lines(names);
    this.numbers = names.map(() => make("span", {}));
    const [came, went] = this.numbers;
    this.node = make(
      "div",
      { class: "rate" },
      this.lines.node,
      make(
        "div",
        { class: "rate-numbers" },
        make("span", { class: "in" }, make("span", { class: "unseen", t: "in" }), make("span", { "aria-hidden": "true" }, "↓ "), came),
        make("span", { class: "out" }, make("span", { class: "unseen", t: "out" }), make("span", { "aria-hidden": "true" }, "↑ "), went),
      ),
    );
    this.moving = true;
  }

  show(rates) {
    const moving = this.names.some((name) => rates.series[name].some(Boolean));
    if (moving || this.moving) {
      this.lines.show(rates);
      this.names.forEach((name, index) => say(this.numbers[index], this.written(rates.now(name))));
      this.node.classList.toggle("still", !this.names.some((name) => rates.now(name)));
    }
    this.moving = moving;
  }
}

/** Show how much was dropped, and why. */
function showDropped(node, dropped) {
  const reasons = Object.entries(dropped).filter(([, count]) => count);
  const look = JSON.stringify(reasons) + t("column.dropped");
  if (node.dataset.look === look) {
    return;
  }
  node.dataset.look = look;
  const total = reasons.reduce((sum, [, count]) => sum + count, 0);
  node.classList.toggle("some", total > 0);
  node.replaceChildren(
    make("span", { class: "number" }, counted(total)),
    ...reasons.map(([reason, count]) =>
      make("span", { class: "reason", title: knows(`reason.${reason}`) ? t(`reason.${reason}`) : reason }, `${reason} ${counted(count)}`),
    ),
  );
}
