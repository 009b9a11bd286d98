/** The daemon's interface over HTTP: requests, refusals, and the token. */

const KEPT = "echod-token";

/**
 * A request that was refused, or never got there (status 0).
 *
 * `detail` is a sentence of the daemon, `problems` its list of {path, message, text}.
 */
export class Refusal extends Error {
  constructor(status, body = {}) {
    super(body.detail || body.title || `status ${status}`);
    this.status = status;
    this.title = body.title ?? "";
    this.detail = body.detail ?? "";
    this.problems = Array.isArray(body.problems) ? body.problems : [];
  }
}

let ask = async () => null;
let asking = null;

/** Say who asks the person for the token: a function that is told whether one was wrong, and returns it or null. */
export function tokenFrom(asker) {
  ask = asker;
}

function token() {
  return sessionStorage.getItem(KEPT);
}

async function askOnce(used) {
  if (token() !== used && token() !== null) {
    return true; // another request has got a new one meanwhile
  }
  asking ??= ask(used !== null).finally(() => {
    asking = null;
  });
  const given = await asking;
  if (given !== null) {
    sessionStorage.setItem(KEPT, given);
  }
  return given !== null;
}

/**
 * Fetch, with the token, which is asked for as often as it is wrong.
 *
 * @returns {Promise<Response>} an answer below 400; all others raise `Refusal`.
 */
export async function request(method, path, { body, headers = {}, signal } = {}) {
  for (;;) {
    const used = token();
    const sent = { ...headers };
    if (used !== null) {
      sent.Authorization = `Bearer ${used}`;
    }
    if (body !== undefined) {
      sent["Content-Type"] = "application/json";
    }
    const response = await reached(path, {
      method,
      headers: sent,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
      cache: "no-store",
    });
    if (response.status === 401 && (await askOnce(used))) {
      continue;
    }
    if (response.status >= 400) {
      throw new Refusal(response.status, await problem(response));
    }
    return response;
  }
}

async function reached(path, options) {
  try {
    return await fetch(path, options);
  } catch (failure) {
    if (failure.name === "AbortError") {
      throw failure;
    }
    throw new Refusal(0);
  }
}

async function problem(response) {
  try {
    return (await response.json()) ?? {};
  } catch {
    return {};
  }
}

async function json(method, path, options) {
  const response = await request(method, path, options);
  return { data: response.status === 204 ? null : await response.json(), etag: response.headers.get("ETag") };
}

const at = (name) => `api/services/${encodeURIComponent(name)}`;
const when = (etag) => (etag ? { "If-Match": etag } : {});

/** List the services; the result has the daemon's version and files as well. */
export const list = async () => (await json("GET", "api/services")).data;

/** Get one service: {data, etag}. */
export const get = (name) => json("GET", at(name));

/** Add a service. */
export const add = (name, settings) => json("POST", "api/services", { body: { name, ...settings } });

/** Change a service, unless it is no longer what `etag` says. */
export const change = (name, settings, etag) => json("PUT", at(name), { body: settings, headers: when(etag) });

/** Remove a service, unless it is no longer what `etag` says. */
export const remove = (name, etag) => json("DELETE", at(name), { headers: when(etag) });

/** Send a message with the service's own client; `message` is a text or {hex}. */
export const attempt = async (name, message, address) =>
  (await json("POST", `${at(name)}/try`, { body: { message, address } })).data;

/** Read the files again. */
export const reload = async () => (await json("POST", "api/reload")).data;

/** Return the schemas of the settings, by their names. */
export const schemas = async () => (await json("GET", "api/openapi.json")).data.components.schemas;
