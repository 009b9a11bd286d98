/** Puts the page together. */

import * as api from "./api.js";
import { Attempt } from "./attempt.js";
import { byId, make, say } from "./dom.js";
import { Editor } from "./editor.js";
import { greets } from "./greet.js";
import { notify, refused } from "./notices.js";
import { Services } from "./services.js";
import { starts } from "./starts.js";
import { Table } from "./table.js";
import { Timeline } from "./timeline.js";
import { askToken } from "./token.js";
import { View } from "./view.js";
import { adopt, clockTime, language, onLanguage, speakIn, tell } from "./words.js";

const WELCOMED = "echod-welcomed";
const UNDO = 12;

api.tokenFrom(askToken);
adopt(document);
speakIn(language());

const services = new Services();
const editor = new Editor(services);
const timeline = new Timeline(services);
const attempt = new Attempt(services);
const view = new View(careful((settings, name) => editor.add(settings, name)), services);

/** Let what is refused be shown, and anything else be an error of this page. */
function careful(act) {
  return async (...given) => {
    try {
      await act(...given);
    } catch (failure) {
      refused(failure);
    }
  };
}

/** Say hello, with everybody watching. */
async function hello(name) {
  await timeline.open(services.list.some((one) => greets(one) && one.name !== name) ? "" : name);
  await attempt.hello(name);
}

async function remove(name) {
  const { settings, etag } = services.named(name);
  await api.remove(name, etag);
  await services.refresh();
  const undo = careful(async () => {
    await api.add(name, settings);
    await services.refresh();
    services.point(name);
  });
  const node = notify({ t: "removed", values: { name }, action: { t: "undo", run: undo }, seconds: UNDO });
  node.querySelector("button").focus();
}

async function reload() {
  const { summary } = await api.reload();
  notify({ t: "reloaded", values: { summary }, tone: "good" });
  await services.refresh();
}

new Table(services, {
  hello: careful(hello),
  attempt: (name) => attempt.choose(name),
  watch: async (name) => {
    await timeline.open(name);
    byId("watch").scrollIntoView({ block: "nearest" });
    byId("timeline-scroll").focus({ preventScroll: true });
  },
  edit: careful((name) => editor.change(name)),
  view: (name) => view.show(services.named(name)),
  remove: careful(remove),
});

/** Greet those who have not said hello yet. */
function welcome() {
  const greeted = services.list.filter(greets);
  const told = localStorage.getItem(WELCOMED) !== null;
  byId("welcome").hidden = told || !greeted.length;
  const names = greeted.map(({ name }) => name).join(" ");
  const bar = byId("welcome-buttons");
  if (bar.dataset.names !== names) {
    bar.dataset.names = names;
    const buttons = greeted.slice(0, 2).map(({ name, addresses }, index) => {
      const t = addresses[0].datagram ? "hello.udp" : "hello.tcp";
      return make("button", { type: "button", class: index === 0 && "primary", t, onclick: careful(() => hello(name)) });
    });
    bar.replaceChildren(...buttons);
  }
}

function status() {
  const { about, failure, list } = services;
  const light = byId("status");
  light.classList.toggle("lost", failure !== null);
  if (failure) {
    tell(byId("status-text"), failure.status === 401 ? "status.token" : "status.lost");
  } else if (about) {
    tell(byId("status-text"), "status.live", { count: list.length, version: about.version, at: clockTime(about.loaded_at, 0) });
  }
  byId("token-again").hidden = failure?.status !== 401;
  byId("services-card").setAttribute("aria-busy", String(!about));
  say(byId("version"), about ? `echod ${about.version}` : "echod");
}

services.onChange(() => {
  welcome();
  status();
  const look = String(services.list.length);
  const bar = byId("nothing-starts");
  if (bar.dataset.look !== look) {
    bar.dataset.look = look;
    const begin = ({ t, name, settings }) =>
      make("button", { type: "button", class: "chip", t, onclick: careful(() => editor.add(settings, name)) });
    bar.replaceChildren(...starts(services).map(begin));
  }
});

byId("welcome-close").addEventListener("click", () => {
  localStorage.setItem(WELCOMED, "yes");
  welcome();
});
byId("add").addEventListener("click", careful(() => editor.add()));
byId("reload").addEventListener("click", careful(reload));
byId("token-again").addEventListener("click", () => services.refresh());
byId("language").addEventListener("click", () => speakIn(language() === "en" ? "zh" : "en"));
onLanguage(() => {
  byId("language").setAttribute("lang", language() === "en" ? "zh-Hans" : "en");
});
byId("language").setAttribute("lang", language() === "en" ? "zh-Hans" : "en");

services.keepLooking();
