// The page: a form made of the layers' own parameters, its question in the address, and answers.
"use strict";

const at = (id) => document.getElementById(id);
const START = { layer: "pool max", shape: "None,28,28,3" };
const PAUSE = 120; // milliseconds after the last key
const SHOWN = 200; // rows of solutions
const COLUMN = 9; // pixels of a character in a drawing

let layers = {};
let asking = 0;
const waiting = new Map();
let worker;

// -- Python ---------------------------------------------------------------------------------

function begin() {
  try {
    worker = new Worker("worker.js", { type: "module" });
  } catch (error) {
    return fail(
      location.protocol === "file:"
        ? "a browser runs no program from a file: type python3 -m http.server in this directory, and open http://localhost:8000"
        : error.message,
    );
  }
  worker.onerror = (event) => fail(event.message || "the program did not start");
  worker.onmessage = ({ data }) => {
    if (data.failed !== undefined) return fail(data.failed);
    if (data.layers) return open(data.layers);
    waiting.get(data.id)(data.answers);
    waiting.delete(data.id);
  };
}

function fail(message) {
  at("loading").hidden = true;
  tell(at("error"), `The calculator could not be loaded: ${message}`);
}

let count = 0;

/** Run command lines, by name, and return what each printed. */
function ask(asked) {
  count += 1;
  const id = count;
  return new Promise((resolve) => {
    waiting.set(id, resolve);
    const columns = Math.floor(document.querySelector("main").clientWidth / COLUMN) - 2;
    worker.postMessage({ id, asked, columns });
  });
}

// -- the question ---------------------------------------------------------------------------

/** Read the question that the address holds. */
function linked() {
  const text = location.hash.slice(1) || location.search.slice(1);
  const question = Object.fromEntries(new URLSearchParams(text));
  return Object.keys(question).length ? question : { ...START };
}

function link(question) {
  const text = new URLSearchParams(question).toString();
  // What need not be escaped in the part after # is left as a person would write it.
  return `#${text.replaceAll("%2C", ",").replaceAll("%3A", ":").replaceAll("%3D", "=")}`;
}

/** Read the question that the form holds; what is as by default is left out. */
function typed() {
  const question = { layer: at("layer").value, shape: at("shape").value.trim() };
  for (const field of document.querySelectorAll("[data-parameter]")) {
    const value = field.value.trim();
    if (value !== field.dataset.usual) question[field.name] = value;
  }
  for (const name of ["from", "to", "max-size"]) {
    const value = at(name).value.trim();
    if (value) question[name] = value;
  }
  return question;
}

/** Put a question into the form; a layer that was just chosen begins with its example. */
function fill(question, isNew = false) {
  const known = Object.hasOwn(layers, question.layer) ? question.layer : START.layer;
  at("layer").value = known;
  at("shape").value = question.shape ?? "";
  lay(known);
  for (const field of document.querySelectorAll("[data-parameter]")) {
    field.value = question[field.name] ?? ((isNew && field.dataset.first) || field.dataset.usual);
  }
  for (const name of ["from", "to", "max-size"]) at(name).value = question[name] ?? "";
  const more = at("more-fields").querySelectorAll("[data-parameter]");
  if ([...more].some((field) => field.value !== field.dataset.usual)) at("more").open = true;
}

/** Make the words of the command line of a question. */
function words(question) {
  if (question.layer === "pipe") {
    const usual = layers.pipe.parameters[0].default;
    const steps = (question.steps || usual).split(/[!\n]/).map((step) => step.trim());
    const typed = steps.filter(Boolean).flatMap((step) => ["!", ...step.split(/\s+/)]);
    return ["shape", "pipe", question.shape, ...typed];
  }
  const flags = [];
  for (const parameter of layers[question.layer].parameters) {
    const value = question[parameter.name];
    if (value === undefined || value === "") continue;
    if (!parameter.switch) flags.push(parameter.flag, value);
    else flags.push(value === "true" ? parameter.flag : `--no-${parameter.flag.slice(2)}`);
  }
  return ["shape", ...question.layer.split(" "), question.shape, ...flags];
}

const quoted = (word) =>
  /^([\w,.:=\/+@%-]+|!)$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

const commandLine = (list) => ["poolnorm", ...list.map(quoted)].join(" ");

// -- the form -------------------------------------------------------------------------------

function open(found) {
  layers = found;
  at("loading").hidden = true;
  for (const [name, layer] of Object.entries(layers)) {
    const label = layer.keras ? `${name} (${layer.keras})` : name;
    at("layer").append(new Option(label, name));
  }
  fill(linked());
  answer(typed());
}

/** Put the fields of a layer into the form. */
function lay(name) {
  const places = { true: at("fields"), false: at("more-fields") };
  for (const place of Object.values(places)) place.replaceChildren();
  for (const parameter of layers[name].parameters) {
    places[parameter.main].append(labelled(parameter));
  }
  at("more").hidden = !at("more-fields").children.length;
}

function labelled(parameter) {
  const label = document.createElement("label");
  const title = document.createElement("span");
  const help = document.createElement("small");
  const field = fieldOf(parameter);
  title.textContent = parameter.name;
  help.textContent = parameter.help;
  help.id = `help-${parameter.name}`;
  Object.assign(field, { name: parameter.name, id: `field-${parameter.name}` });
  field.setAttribute("aria-describedby", help.id);
  field.dataset.parameter = "";
  label.append(title, field, help);
  if (parameter.lines) label.className = "whole";
  return label;
}

function fieldOf({ choices, switch: isSwitch, default: usual, needed, first, lines }) {
  if (isSwitch || choices.length) {
    const field = document.createElement("select");
    const values = isSwitch ? ["true", "false"] : choices;
    if (usual === null) field.append(new Option("not given", ""));
    for (const value of values) field.append(new Option(isSwitch ? yes(value) : value, value));
    field.value = field.dataset.usual = usual === null ? "" : String(usual);
    return field;
  }
  const field = document.createElement(lines ? "textarea" : "input");
  field.autocapitalize = "off";
  if (lines) field.rows = 4;
  field.placeholder = usual ?? "";
  field.required = needed;
  field.dataset.first = first ?? "";
  field.dataset.usual = "";
  return field;
}

const yes = (value) => (value === "true" ? "yes" : "no");

// -- the answer -----------------------------------------------------------------------------

/** Ask a question, and show what comes: of several, the last. */
async function answer(question) {
  asking += 1;
  const mine = asking;
  const main = document.querySelector("main");
  main.dataset.answered = "";
  const list = words(question);
  const facts = question.layer === "pipe" ? ["--explain"] : ["--explain", "--conventions"];
  const { shape } = await ask({ shape: withFlags(list, [...facts, "--json"]) });
  if (mine !== asking) return;
  const found = documentOf(shape);
  showShape(found, shape, list);
  const { from, to } = sizes(question, found);
  const asked = {};
  if (found) asked.drawing = withFlags(list, ["--draw", "--save-svg", "/tmp/windows.svg"]);
  if (from && to) {
    const most = question["max-size"] ? ["--max-size", question["max-size"]] : [];
    asked.solutions = ["shape", "solve", from, to, ...most, "--json"];
  }
  const answers = await ask(asked);
  if (mine !== asking) return;
  showSteps(found?.steps ?? []);
  showExplanation(found);
  showConventions(found?.conventions ?? []);
  showDrawing(answers.drawing);
  showSolutions(answers.solutions);
  await at("drawing").decode().catch(() => {});
  if (mine !== asking) return;
  main.dataset.answered = link(question);
  document.dispatchEvent(new Event("answered"));
}

/** Read the document of a shape; a question that is none, such as --help, has no document. */
function documentOf({ code, out }) {
  return code === 0 && out.startsWith("{") ? JSON.parse(out) : undefined;
}

/** Add flags to a command line, before its steps where it has any. */
function withFlags(list, flags) {
  const end = list.includes("!") ? list.indexOf("!") : list.length;
  return [...list.slice(0, end), ...flags, ...list.slice(end)];
}

function tell(element, text) {
  element.textContent = text;
  element.hidden = !text;
}

function made(tag, text, name = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  element.className = name;
  return element;
}

const shapeText = (shape) => shape.map((size) => (size === null ? "None" : size)).join(",");

function showShape(found, answer, list) {
  tell(at("error"), found ? "" : (answer.err || answer.out).trim());
  at("answer").hidden = !found;
  if (!found) return;
  at("output").textContent = shapeText(found.output_shape);
  tell(at("keras"), found.keras ?? "");
  at("command").textContent = commandLine(list);
}

function showSteps(steps) {
  at("steps").hidden = !steps.length;
  at("steps-table").tBodies[0].replaceChildren(
    ...steps.map((step) => {
      const row = document.createElement("tr");
      const each = (name) => step.axes.map((axis) => axis[name]).join(",");
      const cells = [step.step, shapeText(step.output_shape), step.keras];
      for (const text of [...cells, each("receptive_field"), each("jump"), each("start")]) {
        row.insertCell().textContent = text;
      }
      return row;
    }),
  );
}

function showExplanation(found) {
  const of = (step) => (step.explanation ?? []).map((line) => `step ${step.step}: ${line}`);
  const lines = found ? (found.explanation ?? found.steps.flatMap(of)) : [];
  at("formula").hidden = !lines.length;
  at("explanation").replaceChildren(...lines.map((line) => made("li", line)));
}

function showConventions(conventions) {
  at("frameworks").hidden = !conventions.length;
  at("conventions").replaceChildren(...conventions.map(convention));
}

function verdict({ same_numbers: lines, keras_answer: same }) {
  if (!lines.length) return made("span", "no such layer", "other");
  if (same === null) return made("span", "depends on sizes", "open");
  return same
    ? made("span", "Keras\u2019 answer", "good")
    : made("span", "not Keras\u2019 answer", "other");
}

/** Say what one framework makes of the same numbers, and its call for Keras' answer. */
function convention(told) {
  const article = document.createElement("article");
  const heading = made("h3", told.framework);
  if (told.framework !== "Keras" || !told.keras_answer) heading.append(" ", verdict(told));
  article.append(heading);
  if (told.same_numbers.length) article.append(made("pre", told.same_numbers.join("\n")));
  if (told.same_numbers.length) {
    const shape = told.output_shape;
    article.append(made("p", shape ? `gives ${shapeText(shape)}` : "refuses such an input"));
  }
  if (told.why) article.append(made("p", told.why));
  if ((!told.keras_answer || told.why) && told.call.length) {
    article.append(made("p", "Keras\u2019 answer:"), made("pre", told.call.join("\n")));
  }
  if (told.no_call) article.append(made("p", `No call gives Keras\u2019 answer: ${told.no_call}`));
  const order = told.axes_order;
  const notes = [...told.notes];
  if (order.some((axis, place) => axis !== place)) {
    notes.unshift(`x has its axes in the order ${order.join(",")} there`);
  }
  for (const [theirs, ours] of Object.entries(told.weights)) {
    notes.push(`weights: ${theirs} = ${ours}`);
  }
  for (const note of notes) article.append(made("p", note, "note"));
  return article;
}

let picture;

function showDrawing(answer) {
  at("windows").hidden = !answer;
  at("drawing").hidden = !answer?.svg;
  tell(at("undrawn"), answer && !answer.svg ? answer.err.trim() : "");
  if (!answer?.svg) return;
  if (picture) URL.revokeObjectURL(picture);
  picture = URL.createObjectURL(new Blob([answer.svg], { type: "image/svg+xml" }));
  at("drawing").src = picture;
  at("drawing").alt = answer.out;
}

// -- the solver -----------------------------------------------------------------------------

/** Say from which sizes to which: those that were typed, or else those of the answer. */
function sizes(question, found) {
  const spatial = (shape) => {
    const first = found.layer.data_format === "channels_first";
    const part = shape.slice(first ? 2 : 1, first ? undefined : -1);
    return part.length && part.every(Number.isInteger) ? part.join(",") : "";
  };
  const pools = found && question.layer.startsWith("pool ");
  at("from").placeholder = pools ? spatial(found.input_shape) : "224,224";
  at("to").placeholder = pools ? spatial(found.output_shape) : "112,112";
  const usual = (name) => question[name] || (pools ? at(name).placeholder : "");
  return { from: usual("from"), to: usual("to") };
}

function showSolutions(answer) {
  at("solver").hidden = false;
  const good = answer?.code === 0;
  tell(at("unsolved"), answer && !good ? answer.err.trim() : "");
  const { solutions, max_size: most } = good ? JSON.parse(answer.out) : { solutions: [] };
  if (good) at("max-size").placeholder = most;
  at("solutions").hidden = !solutions.length;
  at("solutions").tBodies[0].replaceChildren(...solutions.slice(0, SHOWN).map(solutionRow));
  const shown = Math.min(solutions.length, SHOWN);
  const all = shown < solutions.length ? `the first ${shown} of ${solutions.length}` : `${shown}`;
  at("count").textContent = good ? `${all} found` : "";
}

function solutionRow(solution) {
  const row = document.createElement("tr");
  for (const name of ["pool_size", "strides", "padding"]) {
    row.insertCell().textContent = String(solution[name]);
  }
  const pads = solution.pads.map((ends) => ends.join(":"));
  row.insertCell().textContent = once(pads);
  row.insertCell().textContent = once(solution.never_read);
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Use";
  button.onclick = () => use(solution);
  row.insertCell().append(button);
  return row;
}

/** Write what all axes have in common once, and else one of each. */
const once = (list) => (new Set(list).size === 1 ? String(list[0]) : list.join(","));

/** Put a solution into the form. */
function use(solution) {
  if (!at("layer").value.startsWith("pool ")) return;
  for (const name of ["pool_size", "strides", "padding"]) {
    at(`field-${name}`).value = String(solution[name]);
  }
  changed();
  at("question").scrollIntoView({ behavior: "smooth" });
}

// -- events ---------------------------------------------------------------------------------

let timer;

function changed() {
  clearTimeout(timer);
  const question = typed();
  history.replaceState(null, "", link(question));
  answer(question);
}

function soon() {
  clearTimeout(timer);
  timer = setTimeout(changed, PAUSE);
}

at("layer").addEventListener("change", () => {
  const before = typed();
  lay(at("layer").value);
  fill({ ...before, layer: at("layer").value }, true);
  changed();
});
for (const form of [at("question"), at("solve")]) {
  form.addEventListener("input", (event) => event.target.id === "layer" || soon());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    changed();
  });
}
addEventListener("hashchange", () => {
  if (!Object.keys(layers).length) return;
  fill(linked());
  answer(typed());
});
at("copy-link").addEventListener("click", (event) => copy(event.target, location.href));
for (const button of document.querySelectorAll("[data-copies]")) {
  button.addEventListener("click", () => copy(button, at(button.dataset.copies).textContent));
}

async function copy(button, text) {
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not allowed here";
  }
  setTimeout(() => (button.textContent = label), 1500);
}

begin();
