// The page: a form made of the layers' own parameters, its question in the address, and answers.
"use strict";

const at = (id) => document.getElementById(id);
const START = { layer: "pool max", shape: "None,28,28,3" };
const PAUSE = 120; // milliseconds after the last key
const SHOWN = 200; // rows of solutions

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
    worker.postMessage({ id, asked });
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

function fill(question) {
  const known = Object.hasOwn(layers, question.layer) ? question.layer : START.layer;
  at("layer").value = known;
  at("shape").value = question.shape ?? "";
  lay(known);
  for (const field of document.querySelectorAll("[data-parameter]")) {
    field.value = question[field.name] ?? field.dataset.usual;
  }
  for (const name of ["from", "to", "max-size"]) at(name).value = question[name] ?? "";
  const more = at("more-fields").querySelectorAll("[data-parameter]");
  if ([...more].some((field) => field.value !== field.dataset.usual)) at("more").open = true;
}

/** Make the words of the command line of a question. */
function words(question) {
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
  /^[\w,.:=\/+@%-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

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
  return label;
}

function fieldOf({ choices, switch: isSwitch, default: usual, needed }) {
  if (isSwitch || choices.length) {
    const field = document.createElement("select");
    const values = isSwitch ? ["true", "false"] : choices;
    if (usual === null) field.append(new Option("not given", ""));
    for (const value of values) field.append(new Option(isSwitch ? yes(value) : value, value));
    field.value = field.dataset.usual = usual === null ? "" : String(usual);
    return field;
  }
  const field = document.createElement("input");
  field.autocapitalize = "off";
  field.placeholder = usual ?? "";
  field.required = needed;
  field.dataset.usual = "";
  return field;
}

const yes = (value) => (value === "true" ? "yes" : "no");

// -- the answer -----------------------------------------------------------------------------

/** Ask a question, and show what comes: of several, the last. */
async function answer(question) {
  asking += 1;
  const mine = asking;
  document.querySelector("main").dataset.answered = "";
  const list = words(question);
  const { shape } = await ask({ shape: [...list, "--json"] });
  if (mine !== asking) return;
  const found = JSON.parse(shape.out);
  showShape(found, shape, list);
  const good = shape.code === 0;
  const { from, to } = sizes(question, good ? found : undefined);
  const asked = {};
  if (good) {
    asked.explanation = [...list, "--explain", "--json"];
    asked.conventions = [...list, "--conventions", "--json"];
    asked.drawing = [...list, "--draw"];
  }
  if (from && to) {
    const most = question["max-size"] ? ["--max-size", question["max-size"]] : [];
    asked.solutions = ["shape", "solve", from, to, ...most, "--json"];
  }
  const answers = await ask(asked);
  if (mine !== asking) return;
  showExplanation(answers.explanation);
  showConventions(answers.conventions);
  showDrawing(answers.drawing);
  showSolutions(answers.solutions);
  document.querySelector("main").dataset.answered = link(question);
  document.dispatchEvent(new Event("answered"));
}

function tell(element, text) {
  element.textContent = text;
  element.hidden = !text;
}

const shapeText = (shape) => shape.map((size) => (size === null ? "None" : size)).join(",");

function showShape(found, answer, list) {
  const good = answer.code === 0;
  tell(at("error"), good ? "" : answer.err.trim());
  at("answer").hidden = !good;
  if (!good) return;
  at("output").textContent = shapeText(found.output_shape);
  at("keras").textContent = found.keras ?? "";
  at("command").textContent = commandLine(list);
}

function showExplanation(answer) {
  const lines = answer?.code === 0 ? (JSON.parse(answer.out).explanation ?? []) : [];
  at("formula").hidden = !lines.length;
  at("explanation").replaceChildren(
    ...lines.map((line) => {
      const item = document.createElement("li");
      item.textContent = line;
      return item;
    }),
  );
}

function showConventions(answer) {
  at("frameworks").hidden = answer?.code !== 0;
}

let picture;

function showDrawing(answer) {
  at("windows").hidden = !answer?.svg;
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
  const solutions = good ? JSON.parse(answer.out).solutions : [];
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
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Use";
  button.onclick = () => use(solution);
  row.insertCell().append(button);
  return row;
}

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
  fill({ ...before, layer: at("layer").value });
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
