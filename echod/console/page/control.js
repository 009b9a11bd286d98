/** What every control of the form has: a label, a hint, its problems, and the value that was there before. */

import { Misread } from "./bytes.js";
import { freshId, make } from "./dom.js";
import { tell } from "./words.js";

const kinds = new Map();

/** Name the class that makes the controls of a kind of shape. */
export function register(kind, Made) {
  kinds.set(kind, Made);
}

/**
 * Make the control of a setting.
 *
 * @param {object} shape see shapes.js.
 * @param {object} place `name`, `key` (its place in the dictionaries, without indexes), `path` (with them), and perhaps
 *     `title`, `description`, `usual` (the default), `required`, `bare` (it is one of a list), `starters` (see Many).
 * @param {*} value the value in force, or undefined.
 */
export function control(shape, place, value) {
  return new (kinds.get(shape.kind) ?? kinds.get("json"))(shape, place, value);
}

/** Return what a label says: the words for a key, or the title of the schema. */
export function labelOf({ key, title, name }) {
  const own = title ?? name ?? key;
  return [`field.${key}`, { otherwise: own.charAt(0).toUpperCase() + own.slice(1).toLowerCase() }];
}

/** Return a description without the marks of code in it. */
const plain = (text) => text.replaceAll("`", "");

/** A setting that is shown, can be read, and can be blamed. */
export class Control {
  constructor(shape, place, value) {
    this.shape = shape;
    this.place = place;
    this.given = value;
    this.id = freshId("setting");
    this.problem = make("p", { class: "problem", id: `${this.id}-problem`, hidden: true });
    this.hint =
      place.bare || !place.description
        ? null
        : make("p", { class: "hint", id: `${this.id}-hint`, t: [`hint.${place.key}`, { otherwise: plain(place.description) }] });
  }

  /** Put the parts of a setting with one input together. */
  assemble(input, ...beside) {
    this.input = input;
    input.id = this.id;
    const shown = [this.hint?.id, this.problem.id].filter(Boolean).join(" ");
    input.setAttribute("aria-describedby", shown);
    if (this.place.required && !this.place.bare) {
      input.setAttribute("aria-required", "true");
    }
    const label = make("label", { for: this.id, class: (this.place.bare || this.place.part) && "unseen", t: this.label() });
    this.node = make(
      "div",
      { class: ["field", `field-${this.shape.kind}`], "data-path": this.place.path },
      label,
      make("div", { class: "control" }, input, ...beside),
      this.problem,
      this.hint,
    );
  }

  /** Put the parts of a setting with several inputs together. */
  enclose(...parts) {
    this.node = make(
      "fieldset",
      { class: ["field", `field-${this.shape.kind}`], "data-path": this.place.path, "aria-describedby": this.problem.id },
      make("legend", { class: this.place.bare && "unseen", t: this.label() }),
      this.hint,
      ...parts,
      this.problem,
    );
  }

  /** Return the key and values of the label. */
  label() {
    const { bare, index } = this.place;
    const [key, values] = labelOf(this.place);
    return bare ? [`item.${this.place.key}`, { number: index + 1, otherwise: `${values.otherwise} {number}` }] : [key, values];
  }

  /** Tell one of a list its new place. */
  count(index) {
    this.place.index = index;
    tell(this.node.querySelector("label, legend"), ...this.label());
  }

  /**
   * Return the value, or undefined if there is none.
   *
   * What cannot be read goes to `faults` as [control, key, values].
   */
  read(faults) {
    try {
      return this.value(faults);
    } catch (failure) {
      if (!(failure instanceof Misread)) {
        throw failure;
      }
      faults.push([this, failure.word, failure.values]);
      return undefined;
    }
  }

  /** Return the control that a path, given in steps, leads to: this one or one inside. */
  at() {
    return this;
  }

  /** Show what is wrong: a sentence, or the key of one with its values. */
  blame(sentence, values = null) {
    this.problem.hidden = false;
    const line = make("span", {});
    if (values) {
      tell(line, sentence, values);
    } else {
      line.textContent = sentence;
    }
    this.problem.append(line);
    (this.input ?? this.node).setAttribute("aria-invalid", "true");
  }

  /** Forget what was wrong. */
  absolve() {
    this.problem.hidden = true;
    this.problem.replaceChildren();
    (this.input ?? this.node).removeAttribute("aria-invalid");
  }

  /** Call a function with this control and each one inside. */
  each(visit) {
    visit(this);
  }

  /** Bring the cursor here. */
  focus() {
    (this.input ?? this.node.querySelector("input, select, textarea, button"))?.focus();
  }
}
