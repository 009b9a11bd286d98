/** What the daemon serves: asked for each second while somebody looks. */

import * as api from "./api.js";
import { Rates } from "./rates.js";

const EVERY = 1000;
const FIRST_PORT = 7001;

/** The services, their rates, and who wants to know of changes. */
export class Services {
  constructor() {
    this.list = [];
    this.about = null;
    this.failure = null;
    this.rates = new Map();
    this.listeners = new Set();
    this.asking = null;
    this.point = () => {};
  }

  /** Call a function after each look. */
  onChange(listener) {
    this.listeners.add(listener);
  }

  /** Return a service by its name, or undefined. */
  named(name) {
    return this.list.find((service) => service.name === name);
  }

  /** Look once; it never raises. */
  async refresh() {
    await this.asking; // what it brings may be older than a change that was just made
    this.asking = this.look();
    await this.asking;
    this.asking = null;
  }

  async look() {
    try {
      const { services, ...about } = await api.list();
      this.failure = null;
      this.about = about;
      this.list = services;
      this.measure();
    } catch (failure) {
      this.failure = failure;
    }
    this.listeners.forEach((listener) => listener());
  }

  measure() {
    const now = performance.now() / 1000;
    const rates = new Map();
    for (const { name, counters } of this.list) {
      const own = this.rates.get(name) ?? new Rates();
      own.take(counters, now);
      rates.set(name, own);
    }
    this.rates = rates;
  }

  /** Look again and again: a hidden page does not ask, and a slow daemon is not asked all the time. */
  async keepLooking() {
    for (;;) {
      const began = performance.now();
      if (!document.hidden && !(this.failure?.status === 401)) {
        await this.refresh();
      }
      const took = performance.now() - began;
      await new Promise((resolve) => setTimeout(resolve, Math.max(EVERY - took, 5 * took)));
    }
  }

  /** Return an address of a kind, "tcp" or "udp", that no service has. */
  freeListen(kind) {
    const taken = new Set(this.list.flatMap(({ addresses }) => addresses.map(({ address }) => address.split(":").pop())));
    let port = FIRST_PORT;
    while (taken.has(String(port))) {
      port += 1;
    }
    return `${kind}:${port}:interface=127.0.0.1`;
  }

  /** Return a name that no service has. */
  freeName(stem) {
    let name = stem;
    for (let number = 2; this.named(name); number += 1) {
      name = `${stem}-${number}`;
    }
    return name;
  }
}
