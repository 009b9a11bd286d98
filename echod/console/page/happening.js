/** One row of the timeline: what happened, drawn and in words, with its bytes on demand. */

import { dumped, fromHex, sized } from "./bytes.js";
import { make } from "./dom.js";
import { clockTime, counted, knows } from "./words.js";

const SHOWN = 120;
const WIDE = 480;
const MESSAGES = new Set(["received", "sent"]);
const DATAGRAMS = new Set(["udp", "unixgram"]);

/** Whether an event is of a datagram. */
export function ofDatagram({ transport }) {
  return DATAGRAMS.has(transport);
}

/**
 * Make the row of an event.
 *
 * @param {object} event as it came, with its `kind`.
 * @param {object} drawn see lanes.js.
 */
export function happening(event, drawn) {
  const { kind, transport, service, peer, size, preview, reason } = event;
  const datagram = ofDatagram(event);
  const button = make(
    "button",
    { type: "button", class: "what", tabindex: "-1", "aria-expanded": "false", title: `${service} ${peer}` },
    datagram && make("i", { class: `dot node-${drawn.lane}`, "aria-hidden": "true" }),
    make("span", { class: "verb", t: `happened.${kind}` }),
    (MESSAGES.has(kind) || size > 0) && make("span", { class: "size" }, sized(size)),
    reason && make("span", { class: "why", t: why(kind, reason) }),
    preview && make("code", { class: "preview" }, preview.length > SHOWN ? `${preview.slice(0, SHOWN)}…` : preview),
    make("span", { class: "whose" }, make("b", {}, service), ` ${port(peer)}`),
  );
  const body = make("div", { class: "body" }, button);
  button.addEventListener("click", () => unfold(body, button, event));
  return make(
    "li",
    { class: ["event", datagram ? "udp" : "tcp", `is-${kind}`], "data-kind": kind, "data-service": service },
    make("time", {}, clockTime(event.at)),
    make("div", { class: "lanes", "aria-hidden": "true" }, ...lanes(drawn, datagram)),
    make("span", { class: ["transport", datagram ? "udp" : "tcp"] }, transport.toUpperCase()),
    body,
  );
}

/** Make the row that says how many events were left out. */
export function skipped(count, at, service) {
  const values = { count: counted(count), service };
  const text = make("span", { class: "left-out", t: [service ? "sampled" : "sampled.all", values] });
  return make("li", { class: "event is-sampled", "data-kind": "sampled" }, make("time", {}, clockTime(at)), text);
}

function why(kind, reason) {
  const dictionary = kind === "dropped" ? "reason" : "end";
  const key = knows(`${dictionary}.${reason}`) ? `${dictionary}.${reason}` : `reason.${reason}`;
  return [key, { otherwise: reason }];
}

/** Return what tells one peer of a host from the next: its port, or the end of its path. */
function port(peer = "") {
  return /:\d+$/.test(peer) ? peer.slice(peer.lastIndexOf(":")) : peer.slice(-24);
}

function lanes({ lane, before, after }, datagram) {
  return before.map((above, index) => {
    const classes = ["lane", `lane-${index}`, above && "above", after[index] && "below"];
    return make("span", { class: classes }, index === lane && !datagram && make("i", { class: `node node-${lane}` }));
  });
}

/** Show all that is known of an event, or hide it again. */
function unfold(body, button, event) {
  const open = button.getAttribute("aria-expanded") === "true";
  button.setAttribute("aria-expanded", String(!open));
  if (open) {
    body.lastChild.remove();
    return;
  }
  const { peer, local, hex, size, service, reason } = event;
  const bytes = hex ? fromHex(hex) : null;
  const dump = bytes && make("pre", { class: "dump", tabindex: "0", "t-aria-label": "hexdump" });
  const bounded = { shown: bytes?.length, count: counted(size) };
  body.append(
    make(
      "div",
      { class: "unfolded" },
      make("p", {}, make("b", {}, service), ` ${peer}${local ? ` → ${local}` : ""}${reason ? ` (${reason})` : ""}`),
      dump,
      bytes && bytes.length < size && make("p", { class: "hint", t: ["preview.bounded", bounded] }),
    ),
  );
  if (dump) {
    dump.textContent = dumped(bytes, body.clientWidth < WIDE ? 8 : 16); // the row is as wide as it will be only now
  }
}
