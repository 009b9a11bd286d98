/** Try it: a message goes to a service over the real socket, and its answer is shown. */

import * as api from "./api.js";
import { dumped, encoded, escaped, fromHex, Misread, paired, readable, toHex, unescaped } from "./bytes.js";
import { byId, make } from "./dom.js";
import { HELLO } from "./greet.js";
import { clockTime, counted, knows, t, tell } from "./words.js";

const SHOWN = 8;
const DUMPED = 4096;
const UNFOLDED = 64;

/** The panel that sends. */
export class Attempt {
  constructor(services) {
    this.services = services;
    this.service = byId("try-service");
    this.address = byId("try-address");
    this.message = byId("try-message");
    this.problem = byId("try-problem");
    this.results = byId("try-results");
    this.hex = false;
    this.buttons = [byId("try-text"), byId("try-hex")];
    this.buttons.forEach((button, index) => button.addEventListener("click", () => this.turn(index === 1)));
    this.service.addEventListener("change", () => this.offerAddresses());
    byId("try-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    services.onChange(() => this.offer());
  }

  /** Offer the services that there are. */
  offer() {
    const { list } = this.services;
    const look = JSON.stringify(list.map(({ name, addresses }) => [name, addresses]));
    if (this.look !== look) {
      this.look = look;
      const chosen = this.service.value;
      this.service.replaceChildren(...list.map(({ name }) => make("option", { value: name }, name)));
      this.service.value = this.services.named(chosen) ? chosen : (list[0]?.name ?? "");
      this.offerAddresses();
    }
    byId("try-send").disabled = !list.length;
  }

  offerAddresses() {
    const addresses = this.services.named(this.service.value)?.addresses ?? [];
    const options = addresses.map((each, index) =>
      make("option", { value: index }, `${each.datagram ? "UDP" : "TCP"} ${each.address}`),
    );
    this.address.replaceChildren(...options);
    byId("try-address-field").hidden = addresses.length < 2;
  }

  /** Choose a service, and be ready for a message. */
  choose(name) {
    this.service.value = name;
    this.offerAddresses();
    byId("try").scrollIntoView({ block: "nearest" });
    this.message.focus({ preventScroll: true });
    this.message.select();
  }

  /** Send hello. */
  async hello(name) {
    this.choose(name);
    if (this.hex) {
      this.message.value = "";
      this.turn(false);
    }
    this.message.value = HELLO;
    await this.send();
  }

  turn(hex) {
    if (hex === this.hex) {
      return;
    }
    try {
      const typed = this.message.value;
      this.message.value = hex ? toHex(encoded(unescaped(typed))) : readable(fromHex(paired(typed)));
      this.hex = hex;
      this.buttons.forEach((button, index) => button.setAttribute("aria-pressed", String((index === 1) === hex)));
      tell(byId("try-hint"), hex ? "try.hint.hex" : "try.hint");
      this.blame(null);
    } catch (failure) {
      this.blame(failure);
    }
  }

  blame(failure) {
    this.problem.hidden = failure === null;
    this.message.toggleAttribute("aria-invalid", failure !== null);
    if (failure instanceof Misread) {
      tell(this.problem, failure.word, failure.values);
    } else if (failure instanceof api.Refusal) {
      const problems = failure.problems.map(({ message }) => message).join(" ");
      tell(this.problem, failure.status ? "try.refused" : "unreached", { detail: problems || failure.detail });
    } else if (failure) {
      throw failure;
    }
  }

  async send() {
    this.blame(null);
    const button = byId("try-send");
    const name = this.service.value;
    try {
      const typed = this.message.value;
      // Without a message nothing is sent: there are services that speak first.
      const message = typed === "" ? undefined : this.hex ? { hex: paired(typed) } : unescaped(typed);
      button.disabled = true;
      const result = await api.attempt(name, message, Number(this.address.value));
      this.results.prepend(shown(name, result));
      while (this.results.children.length > SHOWN) {
        this.results.lastChild.remove();
      }
      byId("try-empty").hidden = true;
      byId("try-said").textContent = spoken(result);
    } catch (failure) {
      this.blame(failure);
    } finally {
      button.disabled = false;
    }
  }
}

/** Return an answer in one sentence, for those who do not see it. */
function spoken({ answer, failure }) {
  return answer ? t("try.spoken", { text: answer.text ?? answer.hex, count: answer.bytes }) : sentence(failure);
}

function sentence(failure) {
  const word = failure?.word ?? "none";
  return knows(`failure.${word}`) ? t(`failure.${word}`) : (failure?.sentence ?? word);
}

/** Show one exchange: what was sent, and what came back. */
function shown(name, result) {
  const { address, answer, failure, seconds, ended } = result;
  const sent = result.sent;
  return make(
    "li",
    { class: ["exchange", !answer && "failed"] },
    make("p", { class: "exchange-head" }, make("strong", {}, name), make("code", {}, address), make("time", {}, clockTime(Date.now() / 1000, 0))),
    make("div", { class: "bubble sent" }, content(sent), size(sent)),
    answer &&
      make(
        "div",
        { class: "bubble answer" },
        content(answer),
        make(
          "p",
          { class: "facts" },
          size(answer),
          typeof seconds === "number" && make("span", { class: "took" }, milliseconds(seconds)),
          knows(`ended.${ended}`) && make("span", { t: `ended.${ended}` }),
          answer.truncated && make("span", { t: "truncated" }),
        ),
        dump(answer),
      ),
    failure && failed(failure),
  );
}

function failed(failure) {
  const key = `failure.${failure.word}`;
  return make(
    "div",
    { class: "bubble failure" },
    make("p", {}, make("span", { class: "word" }, failure.word), make("span", { t: [key, { otherwise: failure.sentence }] })),
    make("p", { class: "hint" }, failure.sentence),
  );
}

function content({ text, hex, bytes }) {
  if (bytes === 0) {
    return make("span", { class: "hint", t: "nothing" });
  }
  return make("code", { class: "content" }, text === null ? readable(fromHex(hex)) : escaped(text));
}

function size({ bytes }) {
  return make("span", { class: "size", t: ["bytes", { count: bytes, written: counted(bytes) }] });
}

/** Return a time with three digits and its unit. */
function milliseconds(seconds) {
  const value = seconds * 1000;
  return `${value < 10 ? value.toFixed(2) : value.toFixed(0)} ms`;
}

function dump({ hex, bytes }) {
  const pre = make("pre", { tabindex: "0", "t-aria-label": "hexdump" });
  const details = make("details", {}, make("summary", { t: "hexdump" }), pre);
  details.addEventListener("toggle", () => {
    const shown = dumped(fromHex(hex).subarray(0, DUMPED), 8);
    pre.textContent = bytes > DUMPED ? `${shown}\n… ${counted(bytes - DUMPED)} B` : shown;
  });
  details.open = bytes <= UNFOLDED;
  return details;
}
