/** Short notices at the edge of the page; a screen reader says them when they come. */

import { Refusal } from "./api.js";
import { byId, make } from "./dom.js";

const SECONDS = 6;

/**
 * Show a notice.
 *
 * @param {object} given `t` and `values`, the sentence; `tone`, "good" or "bad"; `details`, sentences of the daemon;
 *     `action`, {t, run} for a button; `seconds` until it goes, 0 for never. It stays while it is pointed at or focused.
 * @returns {HTMLElement} the notice.
 */
export function notify({ t, values = {}, tone = "", details = [], action = null, seconds = SECONDS }) {
  const close = () => {
    clearTimeout(timer);
    node.remove();
  };
  const button =
    action &&
    make("button", {
      type: "button",
      class: "small",
      t: action.t,
      onclick: () => {
        close();
        action.run();
      },
    });
  const node = make(
    "div",
    { class: ["notice", tone], role: tone === "bad" ? "alert" : "status" },
    make(
      "div",
      { class: "notice-text" },
      make("p", { t: [t, values] }),
      details.length > 0 && make("ul", {}, ...details.map((each) => make("li", {}, each))),
    ),
    button,
    make("button", { type: "button", class: "icon", "t-aria-label": "close", onclick: close }, "×"),
  );
  let timer = 0;
  const wait = () => {
    clearTimeout(timer);
    if (seconds) {
      timer = setTimeout(close, seconds * 1000);
    }
  };
  for (const hold of ["mouseenter", "focusin"]) {
    node.addEventListener(hold, () => clearTimeout(timer));
  }
  for (const go of ["mouseleave", "focusout"]) {
    node.addEventListener(go, wait);
  }
  byId("notices").append(node);
  wait();
  return node;
}

/** Show a request that was refused; anything else is a fault of this page, and is raised. */
export function refused(failure) {
  if (!(failure instanceof Refusal)) {
    throw failure;
  }
  const problems = failure.problems.map(({ text, message }) => text || message);
  const details = problems.length ? problems : [failure.detail].filter(Boolean);
  notify({ t: failure.status ? "refused" : "unreached", tone: "bad", details, seconds: 0 });
}
