/**
 * Every sentence of the page, in the language that was chosen.
 *
 * What was said to an element is remembered with it, so that a change of the language finds it again.
 */

import { english } from "./words-en.js";
import { chinese } from "./words-zh.js";

const KEPT = "echod-language";
const DICTIONARIES = { en: english, zh: chinese };
const TAGS = { en: "en", zh: "zh-Hans" };
const MARK = "data-worded";

const said = new WeakMap();
const listeners = new Set();
let current = remembered() ?? (navigator.language.startsWith("zh") ? "zh" : "en");

function remembered() {
  try {
    const code = localStorage.getItem(KEPT);
    return code in DICTIONARIES ? code : null;
  } catch {
    return null; // a browser that keeps nothing still shows the page
  }
}

/** Return the language in use, "en" or "zh". */
export function language() {
  return current;
}

/**
 * Return a sentence.
 *
 * `{name}` is replaced by a value, `{count|byte|bytes}` chooses by a number. A key that no dictionary has is taken
 * from `values.otherwise`, which is for settings that are newer than this page.
 */
export function t(key, values = {}) {
  const pattern = DICTIONARIES[current][key] ?? english[key] ?? values.otherwise;
  if (pattern === undefined) {
    console.error(`there are no words for ${key}`);
    return key;
  }
  return pattern.replace(/\{(\w+)(?:\|([^|}]*)\|([^|}]*))?\}/g, (whole, name, one, many) => {
    const value = values[name];
    return one === undefined ? String(value ?? "") : Number(value) === 1 ? one : many;
  });
}

/** Whether there are words for a key in the language in use. */
export function knows(key) {
  return key in DICTIONARIES[current];
}

/** Say a sentence as the text of an element, or as one of its attributes. */
export function tell(element, key, values = {}, attribute = "") {
  const sayings = said.get(element) ?? new Map();
  sayings.set(attribute, [key, values]);
  said.set(element, sayings);
  element.setAttribute(MARK, "");
  speak(element, attribute, key, values);
}

function speak(element, attribute, key, values) {
  const text = t(key, values);
  if (attribute) {
    if (element.getAttribute(attribute) !== text) {
      element.setAttribute(attribute, text);
    }
  } else if (element.textContent !== text) {
    element.textContent = text;
  }
}

/** Remember what the page's own markup says: data-t is its text, data-t-… an attribute. */
export function adopt(root) {
  for (const element of root.querySelectorAll("*")) {
    for (const { name, value } of [...element.attributes]) {
      if (name === "data-t") {
        tell(element, value);
      } else if (name.startsWith("data-t-")) {
        tell(element, value, {}, name.slice("data-t-".length));
      }
    }
  }
}

/** Call a function after each change of the language. */
export function onLanguage(listener) {
  listeners.add(listener);
}

/** Change the language of everything that was said, and keep the choice. */
export function speakIn(code) {
  current = code;
  try {
    localStorage.setItem(KEPT, code);
  } catch {
    // Not kept, then.
  }
  document.documentElement.lang = TAGS[code];
  for (const element of document.querySelectorAll(`[${MARK}]`)) {
    for (const [attribute, [key, values]] of said.get(element) ?? []) {
      speak(element, attribute, key, values);
    }
  }
  for (const listener of listeners) {
    listener(code);
  }
}

/** Return a time of day in hours, minutes, seconds and milliseconds; `at` in Unix seconds. */
export function clockTime(at, digits = 3) {
  const moment = new Date(at * 1000);
  const parts = [moment.getHours(), moment.getMinutes(), moment.getSeconds()].map((part) => String(part).padStart(2, "0"));
  const fraction = digits ? `.${String(moment.getMilliseconds()).padStart(3, "0")}` : "";
  return parts.join(":") + fraction;
}

/** Return a whole number with separators. */
export function counted(value) {
  return value.toLocaleString(TAGS[current]);
}
