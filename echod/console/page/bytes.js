/**
 * Bytes for people: escapes, hex, dumps, sizes.
 *
 * A line of a form cannot hold every character: a browser turns CR LF in a text area into LF, and shows neither. So
 * texts are typed and shown with escapes, `220 ready\r\n`. Exact bytes are typed as hex.
 */

const SIMPLE = { "\\": "\\\\", "\r": "\\r", "\n": "\\n", "\t": "\\t", "\0": "\\0" };
const MEANT = { "\\": "\\", r: "\r", n: "\n", t: "\t", 0: "\0" };

/** A text that is not what its field takes; `word` is the key of the sentence, `values` fill it. */
export class Misread extends Error {
  constructor(word, values = {}) {
    super(word);
    this.word = word;
    this.values = values;
  }
}

/** Return a text as it is typed: control characters and the backslash as escapes. */
export function escaped(text) {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069\ufeff\\]/g, (one) => {
    return SIMPLE[one] ?? `\\u{${one.codePointAt(0).toString(16)}}`;
  });
}

/** Return the text that was typed with escapes; `Misread` names the first that means nothing. */
export function unescaped(typed) {
  return typed.replace(/\\(u\{([0-9A-Fa-f]{1,6})\}|[^]|$)/gu, (whole, what, code) => {
    if (code !== undefined && parseInt(code, 16) <= 0x10ffff) {
      return String.fromCodePoint(parseInt(code, 16));
    }
    if (what in MEANT) {
      return MEANT[what];
    }
    throw new Misread("escape.unknown", { escape: whole });
  });
}

/** Return typed hex as pairs with single spaces, "00 01 ff"; `Misread` if it is none. */
export function paired(typed) {
  const digits = typed.replace(/\s+/g, "");
  const wrong = digits.match(/[^0-9A-Fa-f]/u);
  if (wrong) {
    throw new Misread("hex.digit", { character: wrong[0] });
  }
  if (digits.length % 2) {
    throw new Misread("hex.odd", { count: digits.length });
  }
  return (digits.toLowerCase().match(/../g) ?? []).join(" ");
}

/** Return the bytes of hex pairs. */
export function fromHex(pairs) {
  return Uint8Array.from((pairs.match(/[0-9A-Fa-f]{2}/g) ?? []).map((pair) => parseInt(pair, 16)));
}

/** Return the hex pairs of bytes. */
export function toHex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

/** Return the bytes of a text, as UTF-8. */
export function encoded(text) {
  return new TextEncoder().encode(text);
}

/** Return bytes as a text with escapes; what is no UTF-8 becomes \xff. */
export function readable(bytes) {
  try {
    return escaped(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    return Array.from(bytes, (byte) => {
      return byte >= 0x20 && byte < 0x7f && byte !== 0x5c ? String.fromCharCode(byte) : byteEscape(byte);
    }).join("");
  }
}

function byteEscape(byte) {
  return SIMPLE[String.fromCharCode(byte)] ?? `\\x${byte.toString(16).padStart(2, "0")}`;
}

/** Return a hexdump much as `hexdump -C` prints it: offset, so many bytes in two halves, characters. */
export function dumped(bytes, across = 16) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += across) {
    const row = bytes.subarray(at, at + across);
    const halves = [toHex(row.subarray(0, across / 2)), toHex(row.subarray(across / 2))].filter(Boolean);
    const shown = Array.from(row, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".")).join("");
    lines.push(`${at.toString(16).padStart(4, "0")}  ${halves.join("  ").padEnd(3 * across)}  |${shown}|`);
  }
  return lines.join("\n");
}

/** Return a number of bytes with its unit: "5 B", "1.2 KiB". */
export function sized(count) {
  let unit = 0;
  let value = count;
  while (value >= 1000 && unit < 4) {
    value /= 1024;
    unit += 1;
  }
  return `${brief(value)} ${["B", "KiB", "MiB", "GiB", "TiB"][unit]}`;
}

/** Return a number with about three digits: 0, 0.5, 12, 12.3k. */
export function brief(value) {
  if (value >= 1e6) {
    return `${brief(value / 1e6)}M`;
  }
  if (value >= 1e4) {
    return `${brief(value / 1e3)}k`;
  }
  return value >= 100 ? String(Math.round(value)) : String(Number(value.toFixed(value < 0.095 ? 2 : 1)));
}
