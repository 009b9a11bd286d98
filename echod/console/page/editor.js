/** The dialog in which a service is added, changed, or only looked at. */

import * as api from "./api.js";
import { byId, make } from "./dom.js";
import { Form } from "./form.js";
import { notify, refused } from "./notices.js";
import { starts } from "./starts.js";
import { onLanguage, tell } from "./words.js";

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

/**
 * The dialog for one service.
 *
 * @param {object} services see services.js: what there is, and `refresh` after a change.
 */
export class Editor {
  constructor(services) {
    this.services = services;
    this.dialog = byId("editor");
    this.name = byId("editor-name");
    this.above = byId("editor-problems");
    this.conflict = byId("editor-conflict");
    byId("editor-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.save();
    });
    byId("editor-cancel").addEventListener("click", () => this.leave());
    byId("editor-keep").addEventListener("click", () => this.asked(false));
    byId("editor-discard").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.leave();
    });
    onLanguage(() => this.dialog.open && this.title());
  }

  async prepared() {
    this.schemas ??= await api.schemas();
    this.form = new Form(this.schemas, (kind) => this.services.freeListen(kind));
    byId("editor-fields").replaceChildren(this.form.node);
  }

  /** Add a service; `settings` to begin with. */
  async add(settings = null, name = "") {
    await this.begin(null, name, settings ?? { listen: this.services.freeListen("tcp"), protocol: "echo" });
    this.offer();
    this.name.focus();
  }

  /** Change a service, as it is now. */
  async change(name) {
    const { data, etag } = await api.get(name);
    await this.begin({ name, etag }, name, data.settings, data.protocol);
    this.form.focus();
  }

  async begin(edited, name, settings, protocol) {
    await this.prepared();
    this.edited = edited;
    this.name.value = name;
    this.name.readOnly = edited !== null;
    byId("editor-starts").hidden = edited !== null;
    this.form.fill(settings, protocol);
    this.absolve();
    this.conflict.hidden = true;
    this.asked(false);
    this.first = this.typed();
    this.title();
    this.dialog.showModal();
    byId("editor-fields").parentElement.scrollTop = 0;
  }

  title() {
    const name = this.edited?.name;
    tell(byId("editor-title"), name ? "edit.title" : "add.title", { name });
    tell(byId("editor-save"), name ? "edit.save" : "add.save");
  }

  /** Offer settings to start from. */
  offer() {
    const chips = starts(this.services).map(({ t, name, settings }) =>
      make("button", {
        type: "button",
        class: "chip",
        t,
        onclick: () => {
          this.name.value = name;
          this.form.fill(settings);
        },
      }),
    );
    byId("editor-starts").replaceChildren(make("span", { class: "hint", t: "starts" }), ...chips);
  }

  /** Close, but ask first if something was typed. */
  leave() {
    if (this.typed() !== this.first && byId("editor-unsaved").hidden) {
      this.asked(true);
    } else {
      this.dialog.close();
    }
  }

  /** Return all that is in the form, to be compared. */
  typed() {
    return JSON.stringify([this.name.value, this.form.read([])]);
  }

  asked(open) {
    byId("editor-unsaved").hidden = !open;
    if (open) {
      byId("editor-keep").focus();
    } else if (this.dialog.open) {
      byId("editor-save").focus();
    }
  }

  absolve() {
    this.above.replaceChildren();
    this.above.hidden = true;
    this.blameName(null);
    this.form.absolve();
  }

  blameName(sentence, key = null) {
    const problem = byId("editor-name-problem");
    problem.hidden = sentence === null && key === null;
    problem.textContent = sentence ?? "";
    if (key) {
      tell(problem, key);
    }
    this.name.toggleAttribute("aria-invalid", !problem.hidden);
  }

  async save() {
    this.absolve();
    const faults = [];
    const settings = this.form.read(faults);
    const name = this.name.value.trim();
    if (!this.edited && !NAME.test(name)) {
      this.blameName(null, name ? "name.wrong" : "name.missing");
      this.name.focus();
      return;
    }
    if (faults.length) {
      faults.forEach(([control, key, values]) => {
        control.blame(key, values);
        this.form.reveal(control);
      });
      faults[0][0].focus();
      return;
    }
    await this.send(name, settings);
  }

  async send(name, settings) {
    const button = byId("editor-save");
    button.disabled = true;
    try {
      await (this.edited ? api.change(name, settings, this.edited.etag) : api.add(name, settings));
      this.dialog.close();
      notify({ t: this.edited ? "edit.done" : "add.done", values: { name }, tone: "good" });
      await this.services.refresh();
      this.services.point(name);
    } catch (failure) {
      await this.explain(failure, name, settings);
    } finally {
      button.disabled = false;
    }
  }

  async explain(failure, name, settings) {
    if (!(failure instanceof api.Refusal)) {
      throw failure;
    }
    if (failure.status === 412 || (failure.status === 404 && this.edited)) {
      await this.clash(name, settings);
      return;
    }
    let first = null;
    const unplaced = [];
    for (const { path, message, text } of failure.problems) {
      if (path === "name") {
        this.blameName(message);
        first ??= this.name;
      } else {
        const control = path ? this.form.blame(path, message) : null;
        first ??= control;
        if (!control) {
          unplaced.push(path ? text || `${path}: ${message}` : message);
        }
      }
    }
    if (failure.status === 409 && !failure.problems.length && !this.edited) {
      this.blameName(failure.detail);
      first = this.name;
    } else if (unplaced.length || !failure.problems.length) {
      this.show(unplaced.length ? unplaced : [failure.detail], failure);
    }
    (first ?? this.above).focus();
  }

  show(sentences, failure) {
    const heading = failure.status ? "refused" : "unreached";
    const items = sentences.filter(Boolean).map((sentence) => make("li", {}, sentence));
    this.above.replaceChildren(make("p", { t: heading }), make("ul", {}, ...items));
    this.above.hidden = false;
  }

  /** Somebody else was faster: tell what differs, and offer what there is now. */
  async clash(name, settings) {
    let newer = null;
    try {
      newer = await api.get(name);
    } catch (failure) {
      if (failure.status !== 404) {
        refused(failure);
        return;
      }
    }
    const button = make("button", { type: "button", class: "primary", t: newer ? "conflict.load" : "conflict.again" });
    button.addEventListener("click", () => {
      this.conflict.hidden = true;
      this.edited = newer && { name, etag: newer.etag };
      if (newer) {
        this.form.fill(newer.data.settings, newer.data.protocol);
        this.first = this.typed();
      }
      this.title();
      byId("editor-save").focus();
    });
    const names = newer ? differing(settings, newer.data.settings).join(", ") : "";
    this.conflict.replaceChildren(
      make("p", { t: newer ? ["conflict", { name }] : ["conflict.removed", { name }] }),
      names && make("p", { class: "hint", t: ["conflict.differ", { names }] }),
      button,
    );
    this.conflict.hidden = false;
    button.focus();
  }
}

/** Return the names of the settings that are not the same. */
function differing(mine, theirs) {
  const names = new Set([...Object.keys(mine), ...Object.keys(theirs)]);
  return [...names].filter((name) => JSON.stringify(mine[name]) !== JSON.stringify(theirs[name]));
}
