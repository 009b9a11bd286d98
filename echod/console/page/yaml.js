/** Settings as the file would say them: for people to read and copy. */

const PLAIN = /^[A-Za-z][\w./+-]*(?:[ :][\w./=+-]+)*$/;
const TRAPS = /^(?:y|yes|n|no|on|off|true|false|null|nan|inf)$/i;

function scalar(value) {
  if (typeof value === "string") {
    return PLAIN.test(value) && !TRAPS.test(value) ? value : JSON.stringify(value);
  }
  return JSON.stringify(value);
}

function short(value) {
  return typeof value !== "object" || value === null || !Object.keys(value).length;
}

/** Return the lines of a value, without indentation. */
function lines(value) {
  if (short(value)) {
    return [scalar(value)];
  }
  if (Array.isArray(value)) {
    return value.flatMap((item) => lines(item).map((line, index) => (index ? `  ${line}` : `- ${line}`)));
  }
  return Object.entries(value).flatMap(([name, inner]) => {
    if (short(inner)) {
      return [`${name}: ${scalar(inner)}`];
    }
    if (Object.keys(inner).length === 1 && "hex" in inner) {
      return [`${name}: {hex: ${JSON.stringify(inner.hex)}}`];
    }
    if (Array.isArray(inner) && inner.every(short)) {
      return [`${name}: [${inner.map(scalar).join(", ")}]`];
    }
    return [`${name}:`, ...lines(inner).map((line) => `  ${line}`)];
  });
}

/** Return a service as YAML. */
export function toYaml(name, settings) {
  return [`${name}:`, ...lines(settings).map((line) => `  ${line}`)].join("\n");
}
