/** The controls with one value: words, switches, numbers, texts and bytes. */

import { encoded, escaped, fromHex, Misread, paired, toHex, unescaped } from "./bytes.js";
import { Control, control, register } from "./control.js";
import { make } from "./dom.js";

/** An input with a text; what nobody touched is given back as it came. */
class Typed extends Control {
  constructor(shape, place, value) {
    super(shape, place, value);
    this.assemble(this.made(this.written(value)));
    this.first = this.input.value;
  }

  made(text) {
    const usual = this.place.usual;
    const plain = ["number", "string"].includes(typeof usual) && usual !== "";
    const prose = this.place.name === "description";
    const input = make("input", { type: "text", class: !prose && "code", autocomplete: "off", spellcheck: String(prose) });
    if (plain) {
      input.placeholder = String(usual);
    }
    input.value = text;
    return input;
  }

  written(value) {
    return value === undefined ? "" : String(value);
  }

  value() {
    return this.input.value === this.first ? this.given : this.meant(this.input.value);
  }
}

/** A text as it is. */
class Plain extends Typed {
  made(text) {
    if (!text.includes("\n")) {
      return super.made(text);
    }
    const area = make("textarea", { rows: "3", spellcheck: "false" });
    area.value = text;
    return area;
  }

  meant(text) {
    return text === "" ? undefined : text;
  }
}

/** A number, or a number with its unit, such as 5m or 64KiB. */
class Scalar extends Typed {
  meant(typed) {
    const text = typed.trim();
    if (text === "") {
      return undefined;
    }
    return /^-?\d{1,15}(\.\d+)?$/.test(text) ? Number(text) : text;
  }
}

/** Whatever no other control is for, as JSON. */
class Json extends Typed {
  made(text) {
    const area = make("textarea", { rows: "3", spellcheck: "false", class: "code" });
    area.value = text;
    return area;
  }

  written(value) {
    return value === undefined ? "" : JSON.stringify(value, null, 2);
  }

  meant(text) {
    if (text.trim() === "") {
      return undefined;
    }
    try {
      return JSON.parse(text);
    } catch {
      throw new Misread("json.wrong");
    }
  }
}

/** A text with escapes, or exact bytes as hex: two buttons say which. */
class Text extends Control {
  constructor(shape, place, value) {
    super(shape, place, value);
    this.hex = typeof value === "object" && value !== null;
    const input = make("input", { type: "text", class: "code", autocomplete: "off", spellcheck: "false" });
    input.value = this.hex ? String(value.hex) : escaped(String(value ?? ""));
    this.buttons = [false, true].map((hex) =>
      make("button", { type: "button", t: hex ? "as.hex" : "as.text", onclick: () => this.turn(hex) }),
    );
    this.assemble(input, make("div", { class: "pair", role: "group", "t-aria-label": "as" }, ...this.buttons));
    this.mark();
    this.first = [this.hex, input.value];
  }

  mark() {
    this.buttons.forEach((button, index) => button.setAttribute("aria-pressed", String(Boolean(index) === this.hex)));
  }

  turn(hex) {
    if (hex === this.hex) {
      return;
    }
    this.absolve();
    try {
      this.input.value = hex ? toHex(encoded(unescaped(this.input.value))) : textOf(this.input.value);
      this.hex = hex;
      this.mark();
    } catch (failure) {
      if (!(failure instanceof Misread)) {
        throw failure;
      }
      this.blame(failure.word, failure.values);
    }
  }

  value() {
    const typed = this.input.value;
    if (this.hex === this.first[0] && typed === this.first[1]) {
      return this.given;
    }
    if (this.hex) {
      return { hex: paired(typed) };
    }
    return typed === "" && this.given === undefined ? undefined : unescaped(typed);
  }
}

function textOf(hex) {
  try {
    return escaped(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(fromHex(paired(hex))));
  } catch (failure) {
    throw failure instanceof Misread ? failure : new Misread("hex.notext");
  }
}

/** One of some words; some have a part of their own, as `delimiter` has its text. */
class Words extends Control {
  constructor(shape, place, value) {
    super(shape, place, value);
    const part = Object.keys(shape.parts).find((name) => typeof value === "object" && value !== null && name in value);
    const select = make("select", { onchange: () => this.turn(undefined) });
    if (!place.required) {
      select.append(make("option", { value: "", t: usualWords(place.usual) }));
    }
    for (const word of [...shape.words, ...Object.keys(shape.parts)]) {
      select.append(make("option", { value: word, t: [`word.${place.key}.${word}`, { otherwise: word }] }));
    }
    if (typeof value === "string" && !shape.words.includes(value)) {
      select.append(make("option", { value }, value));
    }
    this.inside = make("div", { class: "inside" });
    this.assemble(select);
    this.node.append(this.inside);
    select.value = part ?? value ?? (place.required ? shape.words[0] : "");
    this.turn(part && value[part]);
  }

  turn(value) {
    const word = this.input.value;
    const { path, key } = this.place;
    this.part = null;
    if (word in this.shape.parts) {
      const place = { name: word, key: `${key}.${word}`, path: `${path}.${word}`, required: true, part: true };
      this.part = control(this.shape.parts[word], place, value);
    }
    this.inside.replaceChildren(...(this.part ? [this.part.node] : []));
  }

  value(faults) {
    const word = this.input.value;
    if (this.part) {
      return { [word]: this.part.read(faults) ?? "" };
    }
    return word === "" ? undefined : word;
  }

  at(steps) {
    return this.part && steps[0] === this.input.value ? this.part.at(steps.slice(1)) : this;
  }

  each(visit) {
    visit(this);
    this.part?.each(visit);
  }
}

function usualWords(usual) {
  return usual === undefined || usual === null ? "usual.none" : ["usual", { value: String(usual) }];
}

/** Yes, no, or whatever holds for all services. */
class Switch extends Control {
  constructor(shape, place, value) {
    super(shape, place, value);
    const select = make(
      "select",
      {},
      make("option", { value: "", t: place.usual ? "usual.yes" : "usual.no" }),
      make("option", { value: "yes", t: "yes" }),
      make("option", { value: "no", t: "no" }),
    );
    this.assemble(select);
    select.value = value === undefined ? "" : value ? "yes" : "no";
  }

  value() {
    return this.input.value === "" ? undefined : this.input.value === "yes";
  }
}

register("string", Plain);
register("scalar", Scalar);
register("json", Json);
register("text", Text);
register("words", Words);
register("switch", Switch);
