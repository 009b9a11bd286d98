/**
 * The shapes of settings, found in their JSON Schema: what kind of control each needs.
 *
 * The kinds: const, words (an enumeration, perhaps with `parts` that have a value of their own), switch, text (or exact
 * bytes), string, scalar (numbers, and sizes or durations with a unit), many (a list; `lone` if one may stand alone),
 * either (a string or a list), pick (one of several), group (all of several), and json for whatever is none of these.
 */

/** Whatever the daemon replaces from its environment may stand anywhere; a form does not offer it. */
const isVariable = (schema) => schema.type === "string" && schema.pattern === "\\$\\{";
const takesHex = (schema) => Boolean(schema.properties?.hex || schema.required?.includes("hex"));
const SCALARS = new Set(["integer", "number", "string"]);

/** Follow references, and return a schema with the description and default that stand beside them. */
export function resolved(schema, schemas) {
  if (!schema.$ref) {
    return schema;
  }
  const { $ref, ...beside } = schema;
  return { ...resolved(schemas[$ref.split("/").pop()] ?? {}, schemas), ...beside };
}

function branches(schema, schemas) {
  const own = resolved(schema, schemas);
  const several = own.anyOf ?? own.oneOf;
  if (!several) {
    return [own];
  }
  return several
    .flatMap((each) => branches(each, schemas))
    .filter((each) => !isVariable(each) && each.type !== "null");
}

/** Return the shape of a setting. */
export function shapeOf(schema, schemas) {
  const found = branches(schema, schemas);
  return found.length === 1 ? single(found[0], schemas) : joined(found, schemas);
}

function single(schema, schemas) {
  if ("const" in schema) {
    return { kind: "const", value: schema.const };
  }
  if (schema.enum) {
    return { kind: "words", words: schema.enum, parts: {} };
  }
  switch (schema.type) {
    case "boolean":
      return { kind: "switch" };
    case "integer":
    case "number":
      return { kind: "scalar" };
    case "string":
      return { kind: "string", long: !schema.pattern };
    case "array":
      return { kind: "many", item: shapeOf(schema.items ?? {}, schemas), lone: false };
    case "object":
      return inside(schema, schemas);
    default:
      return { kind: "json" };
  }
}

function inside(schema, schemas) {
  if (!schema.properties) {
    return { kind: "json" };
  }
  const one = schema.minProperties === 1 && schema.maxProperties === 1;
  return { kind: one ? "pick" : "group", members: members(schema, schemas) };
}

/** Return the settings of an object schema: name, shape, description, default, required. */
export function members(schema, schemas) {
  const required = new Set(schema.required ?? []);
  return Object.entries(schema.properties).map(([name, given]) => {
    const own = resolved(given, schemas);
    return {
      name,
      shape: shapeOf(given, schemas),
      title: own.title ?? name,
      description: own.description ?? "",
      usual: own.default,
      required: required.has(name),
    };
  });
}

function joined(found, schemas) {
  if (found.length === 2 && found.some((each) => each.type === "string") && found.some(takesHex)) {
    return { kind: "text" };
  }
  const words = found.find((each) => each.enum);
  const parts = found.filter((each) => each.type === "object" && Object.keys(each.properties ?? {}).length === 1);
  if (words && parts.length === found.length - 1) {
    const named = parts.map((each) => Object.entries(each.properties)[0]);
    const shapes = named.map(([name, schema]) => [name, shapeOf(schema, schemas)]);
    return { kind: "words", words: words.enum, parts: Object.fromEntries(shapes) };
  }
  if (found.every((each) => SCALARS.has(each.type))) {
    return { kind: "scalar" };
  }
  const list = found.find((each) => each.type === "array");
  const others = found.filter((each) => each !== list);
  if (list && others.length) {
    const items = branches(list.items ?? {}, schemas);
    if (JSON.stringify(items) === JSON.stringify(others)) {
      return { kind: "many", item: shapeOf(list.items, schemas), lone: true };
    }
    if (others.length === 1 && others[0].type === "string") {
      return { kind: "either", many: { kind: "many", item: shapeOf(list.items ?? {}, schemas), lone: false } };
    }
  }
  return { kind: "json" };
}

/** Return the schemas of the services by their protocol, in the order of the document. */
export function protocols(schemas) {
  const found = new Map();
  for (const [name, schema] of Object.entries(schemas)) {
    const protocol = schema.properties?.protocol && resolved(schema.properties.protocol, schemas);
    const word = protocol?.const ?? (protocol?.enum?.length === 1 ? protocol.enum[0] : undefined);
    if (name.endsWith("Service") && word !== undefined) {
      found.set(word, schema);
    }
  }
  return found;
}

/** Return the pairs of settings of which only one may be given: `not: {required: [one, other]}`. */
export function alternatives(schema) {
  return [schema, ...(schema.allOf ?? [])]
    .map((each) => each.not?.required)
    .filter((names) => Array.isArray(names) && names.length === 2);
}

/** Return the parts of a path: "rules[1].when" is ["rules", 1, "when"]. */
export function steps(path) {
  return (path.match(/[^.[\]]+/g) ?? []).map((part) => (/^\d+$/.test(part) ? Number(part) : part));
}
