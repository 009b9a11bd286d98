/** The first thing to do here: the tutorial's hello, and the hi that comes back. */

/** What the tutorial's client says. */
export const HELLO = "hello";

/** Whether a message can be sent to an address from here. */
export const tryable = ({ can_try: can }) => can !== false;

/** Whether a service is the tutorial's: one that replies, that is named for it, and can be tried from here. */
export function greets({ name, protocol, addresses }) {
  return protocol === "reply" && name.startsWith("hello") && addresses.some(tryable);
}
