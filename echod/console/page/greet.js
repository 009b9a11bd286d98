/** The first thing to do here: the tutorial's hello, and the hi that comes back. */

/** What the tutorial's client says. */
export const HELLO = "hello";

/** Whether a service is the tutorial's: one that replies, and that is named for it. */
export function greets({ name, protocol }) {
  return protocol === "reply" && name.startsWith("hello");
}
