/**
 * Server-sent events, read with fetch: an EventSource cannot send a token.
 *
 * The format is that of the HTML standard, section 9.2: lines `event:` and `data:`, and a blank line after each event.
 */

import { request } from "./api.js";

const WAITS = [1, 2, 4, 8];

/** Cuts text into events; give it whatever arrives. */
export class Events {
  constructor(take) {
    this.take = take;
    this.rest = "";
    this.begin();
  }

  begin() {
    this.name = "message";
    this.data = [];
  }

  feed(text) {
    const lines = (this.rest + text).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop();
    for (const line of lines) {
      this.line(line);
    }
  }

  line(line) {
    if (line === "") {
      if (this.data.length) {
        this.take(this.name, this.data.join("\n"));
      }
      this.begin();
      return;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") {
      this.name = value;
    } else if (field === "data") {
      this.data.push(value);
    }
  }
}

/** A stream of what happens, which is opened again when it breaks, until `close`. */
export class Stream {
  /**
   * @param {string} path where it is.
   * @param {function(string, object)} take is given the name and data of each event.
   * @param {function(string, object)} state is told "open", "lost" (with the failure) and "closed".
   */
  constructor(path, take, state) {
    this.path = path;
    this.take = take;
    this.state = state;
    this.abort = new AbortController();
    this.tries = 0;
    this.run();
  }

  close() {
    this.abort.abort();
    this.state("closed");
  }

  async run() {
    while (!this.abort.signal.aborted) {
      let failure = null;
      try {
        await this.read();
      } catch (problem) {
        failure = problem;
      }
      if (!this.abort.signal.aborted) {
        this.state("lost", failure);
      }
      if (this.abort.signal.aborted) {
        return;
      }
      const seconds = WAITS[Math.min(this.tries, WAITS.length - 1)];
      this.tries += 1;
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    }
  }

  async read() {
    const headers = { Accept: "text/event-stream" };
    const response = await request("GET", this.path, { headers, signal: this.abort.signal });
    const events = new Events((name, data) => {
      this.tries = 0;
      this.take(name, JSON.parse(data));
    });
    this.state("open");
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        return;
      }
      events.feed(decoder.decode(value, { stream: true }));
    }
  }
}
