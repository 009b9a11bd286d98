/** How much happens a second: the differences of counters, and small lines of them. */

import { draw } from "./dom.js";

const KEPT = 60;
const WIDTH = 72;
const HEIGHT = 22;

/** The counters that are shown as rates. */
export const RATED = ["messages_received", "messages_sent", "received_bytes", "sent_bytes"];

/** The rates of one service, as far back as the lines go. */
export class Rates {
  constructor() {
    this.series = Object.fromEntries(RATED.map((name) => [name, []]));
    this.before = null;
  }

  /** Take counters that were read at a time in seconds, and return whether any line has changed. */
  take(counters, at) {
    const before = this.before;
    this.before = { counters, at };
    if (!before || at <= before.at) {
      return false;
    }
    let changed = false;
    for (const name of RATED) {
      // Counters of a service that was changed may begin anew.
      const more = Math.max(0, counters[name] - before.counters[name]);
      const line = this.series[name];
      line.push(more / (at - before.at));
      if (line.length > KEPT) {
        line.shift();
      }
      changed ||= line.some(Boolean);
    }
    return changed;
  }

  /** Return the newest rate of a counter, 0 if there is none. */
  now(name) {
    return this.series[name].at(-1) ?? 0;
  }
}

/** A drawing of two series: what came, as an area, and what went, as a line. */
export class Lines {
  constructor(names) {
    this.names = names;
    this.paths = names.map((_, index) => draw("path", { class: index ? "line out" : "area in", d: "" }));
    const box = { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", height: HEIGHT };
    this.node = draw(
      "svg",
      { class: "lines", ...box, "aria-hidden": "true" },
      draw("path", { class: "base", d: `M0 ${HEIGHT - 1}H${WIDTH}` }),
      ...this.paths,
    );
  }

  /** Draw what a service's rates are now. */
  show(rates) {
    const most = Math.max(1e-9, ...this.names.flatMap((name) => rates.series[name]));
    const [came, went] = this.names.map((name) => path(rates.series[name], most));
    this.paths[0].setAttribute("d", came && `${came}V${HEIGHT - 1}H0Z`);
    this.paths[1].setAttribute("d", went);
  }
}

function path(values, most) {
  if (!values.some(Boolean)) {
    return "";
  }
  const step = WIDTH / (KEPT - 1);
  const from = WIDTH - step * (values.length - 1);
  const points = values.map((value, index) => {
    const y = HEIGHT - 1.5 - (value / most) * (HEIGHT - 3);
    return `${(from + index * step).toFixed(1)} ${y.toFixed(1)}`;
  });
  return `M${points.join("L")}`;
}
