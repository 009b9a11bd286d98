/** Watch it: what happens on the services, as it happens, in at most some hundred rows. */

import { byId } from "./dom.js";
import { happening, skipped } from "./happening.js";
import { Lanes } from "./lanes.js";
import { Stream } from "./stream.js";
import { counted, tell } from "./words.js";

const ROWS = 500;
const FLUSH = 80;
const KINDS = new Set(["opened", "received", "sent", "half-closed", "closed", "reset", "dropped"]);
const NEAR = 40;

/** The panel that shows. It is connected only while it is open. */
export class Timeline {
  constructor(services) {
    this.services = services;
    this.list = byId("timeline");
    this.scroller = byId("timeline-scroll");
    this.filter = byId("watch-service");
    this.toggle = byId("watch-toggle");
    this.pause = byId("watch-pause");
    this.lanes = new Lanes();
    this.waiting = [];
    this.lost = 0;
    this.stream = null;
    this.paused = false;
    this.toggle.addEventListener("click", () => (this.stream ? this.close() : this.open()));
    this.pause.addEventListener("click", () => this.hold(!this.paused));
    byId("watch-clear").addEventListener("click", () => this.clear());
    this.filter.addEventListener("change", () => this.stream && this.reopen());
    this.list.addEventListener("keydown", (event) => this.step(event));
    services.onChange(() => this.offer());
    // A page that was left may be kept, for the way back, with all its connections; a browser has six for a host.
    addEventListener("pagehide", () => this.stream?.close());
    addEventListener("pageshow", (event) => event.persisted && this.stream && this.reopen());
  }

  /** Offer the services to choose from. */
  offer() {
    const names = this.services.list.map(({ name }) => name);
    const look = names.join("\n");
    if (this.look === look) {
      return;
    }
    this.look = look;
    const chosen = this.filter.value;
    const [all] = this.filter.options;
    this.filter.replaceChildren(all, ...names.map((name) => new Option(name, name)));
    this.filter.value = names.includes(chosen) ? chosen : "";
    if (this.stream && chosen !== this.filter.value) {
      this.reopen();
    }
  }

  /** Watch, and return when the first event could come (or after a second, if it cannot). */
  async open(service = this.filter.value) {
    const other = this.filter.value !== service;
    this.filter.value = service;
    if (this.stream && !other) {
      return;
    }
    if (this.stream) {
      this.stream.close();
    }
    const opened = new Promise((resolve) => {
      this.opened = resolve;
    });
    const query = service ? `?service=${encodeURIComponent(service)}` : "";
    this.show(true);
    this.stream = new Stream(
      `api/events${query}`,
      (name, data) => this.take(name, data),
      (state, failure) => this.state(state, failure),
    );
    await Promise.race([opened, new Promise((resolve) => setTimeout(resolve, 1000))]);
  }

  reopen() {
    this.stream.close();
    this.stream = null;
    this.lanes.clear();
    this.open();
  }

  close() {
    this.stream?.close();
    this.stream = null;
    this.hold(false);
    this.show(false);
  }

  show(open) {
    byId("watch-body").hidden = !open;
    byId("watch-invitation").hidden = open;
    this.toggle.setAttribute("aria-expanded", String(open));
    tell(this.toggle, open ? "watch.stop" : "watch.start");
  }

  state(state, failure) {
    const notice = byId("watch-state");
    notice.hidden = state !== "lost";
    if (state === "lost") {
      if (failure?.status === 401) {
        this.close();
        return;
      }
      const busy = failure?.status === 429;
      tell(notice, busy ? "watch.busy" : "watch.lost", { detail: failure?.detail ?? "" });
      this.lanes.clear();
    }
    this.list.dataset.state = state;
  }

  take(name, data) {
    if (name === "hello") {
      this.opened();
    } else if (name === "changed") {
      this.services.refresh();
    } else if (name === "counters") {
      if (!this.filter.value) {
        this.services.feed(data.services);
      }
    } else if (name === "sampled" || KINDS.has(name)) {
      this.keep({ ...data, kind: name });
    }
  }

  /** Let events wait for the next look; as many as are shown, the oldest go. */
  keep(event) {
    this.waiting.push(event);
    if (this.waiting.length > ROWS) {
      const gone = this.waiting.shift();
      this.lost += gone.kind === "sampled" ? gone.count : 1;
    }
    if (this.paused) {
      this.count();
    } else {
      this.timer ??= setTimeout(() => this.flush(), FLUSH);
    }
  }

  flush() {
    this.timer = null;
    if (this.paused) {
      return;
    }
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const following = scrollTop + clientHeight > scrollHeight - NEAR;
    const rows = document.createDocumentFragment();
    if (this.lost) {
      rows.append(skipped(this.lost, this.waiting[0].at, null));
      this.lost = 0;
      this.lanes.clear();
    }
    for (const event of this.waiting.splice(0)) {
      rows.append(this.row(event));
    }
    this.list.append(rows);
    while (this.list.children.length > ROWS) {
      this.list.firstChild.remove();
    }
    byId("timeline-empty").hidden = this.list.children.length > 0;
    this.rove();
    if (following) {
      this.scroller.scrollTop = this.scroller.scrollHeight;
    }
  }

  row(event) {
    if (event.kind === "sampled") {
      this.lanes.clear();
      return skipped(event.count, event.at, event.service);
    }
    return happening(event, this.lanes.take(event));
  }

  hold(paused) {
    this.paused = paused;
    this.pause.setAttribute("aria-pressed", String(paused));
    this.count();
    if (!paused && this.waiting.length) {
      this.flush();
    }
  }

  count() {
    const waiting = this.waiting.length + this.lost;
    if (this.paused && waiting) {
      tell(this.pause, "watch.resume", { count: counted(waiting) });
    } else {
      tell(this.pause, this.paused ? "watch.paused" : "watch.pause");
    }
  }

  clear() {
    this.waiting = [];
    this.lost = 0;
    this.list.replaceChildren();
    byId("timeline-empty").hidden = false;
    this.count();
  }

  /** One row can be reached with Tab; the arrow keys lead to the others. */
  rove() {
    if (!this.list.querySelector('button.what[tabindex="0"]')) {
      this.list.querySelector("button.what")?.setAttribute("tabindex", "0");
    }
  }

  step(event) {
    const buttons = [...this.list.querySelectorAll("button.what")];
    const at = buttons.indexOf(document.activeElement);
    const to = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (at < 0 || to === undefined || !buttons[to]) {
      return;
    }
    event.preventDefault();
    buttons[at].setAttribute("tabindex", "-1");
    buttons[to].setAttribute("tabindex", "0");
    buttons[to].focus();
  }
}
