/**
 * Elements are made here, and nowhere from markup: a payload, a name or a sentence can only become text.
 */

import { tell } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element.
 *
 * @param {string} tag its name.
 * @param {object} given attributes; `on…` are listeners, `t` is the key of its text and `t-…` the key of an attribute
 *     (or [key, values]), `class` may hold falsy words, false and null are left out.
 * @param {...(Node|string|null|false|Array)} children texts become text nodes.
 */
export function make(tag, given = {}, ...children) {
  return filled(document.createElement(tag), given, children);
}

/** Make an element of a drawing. */
export function draw(tag, given = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), given, children);
}

function filled(element, given, children) {
  for (const [name, value] of Object.entries(given)) {
    if (name.startsWith("on")) {
      element.addEventListener(name.slice(2), value);
    } else if (name === "t" || name.startsWith("t-")) {
      tell(element, ...[value].flat(), ...(Array.isArray(value) ? [] : [{}]), name.slice(2));
    } else if (value === true) {
      element.setAttribute(name, "");
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, Array.isArray(value) ? value.filter(Boolean).join(" ") : String(value));
    }
  }
  element.append(...children.flat().filter((child) => child !== null && child !== false && child !== undefined));
  return element;
}

/** Set a text, and touch the page only if it changes. */
export function say(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

/** Return the element of the page with an id. */
export function byId(id) {
  return document.getElementById(id);
}

let last = 0;

/** Return an id that no other element has. */
export function freshId(stem) {
  last += 1;
  return `${stem}-${last}`;
}
