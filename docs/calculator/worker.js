// Python, away from the page, so that typing never waits for an answer.
import { loadPyodide } from "./pyodide/pyodide.mjs";

const ready = start();

async function start() {
  const archive = fetch("poolnorm.zip");
  const python = await loadPyodide();
  const response = await archive;
  if (!response.ok) throw new Error(`poolnorm.zip: ${response.status} ${response.statusText}`);
  python.unpackArchive(await response.arrayBuffer(), "zip", { extractDir: "/poolnorm" });
  python.runPython('import sys; sys.path.insert(0, "/poolnorm")');
  return python.pyimport("ask");
}

ready.then(
  (ask) => postMessage({ layers: JSON.parse(ask.layers()) }),
  (error) => postMessage({ failed: String(error.message || error) }),
);

onmessage = async ({ data: { id, asked, columns } }) => {
  const ask = await ready;
  const answers = {};
  for (const [name, words] of Object.entries(asked)) {
    const text = JSON.stringify(words);
    answers[name] = JSON.parse(name === "drawing" ? ask.draw(text, columns) : ask.ask(text));
  }
  postMessage({ id, answers });
};
