/**
 * What the daemon serves.
 *
 * While the timeline is open, the counters come with its stream. Else they are asked for while somebody looks: each
 * second, or of many services less often, for the list of a thousand is long.
 */

import * as api from "./api.js";
import { Rates } from "./rates.js";

const EVERY = 1000;
const MANY = 50;
const EVERY_OF_MANY = 5000;
const FED = 3000;
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
    this.fedAt = -FED;
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

  /** Take counters that came with a stream: of those services where something has changed. */
  feed(counters) {
    for (const service of this.list) {
      service.counters = counters[service.name] ?? service.counters;
    }
    this.fedAt = performance.now();
    this.measure();
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

  /** Look again and again; a page that is hidden does not ask. */
  async keepLooking() {
    for (;;) {
      const fed = performance.now() - this.fedAt < FED;
      if (!document.hidden && !fed && this.failure?.status !== 401) {
        await this.refresh();
      }
      const pause = this.list.length > MANY ? EVERY_OF_MANY : EVERY;
      await new Promise((resolve) => setTimeout(resolve, pause));
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
