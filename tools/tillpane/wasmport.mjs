// Runs a script, part by part, in MicroPython's WebAssembly port: 32-bit like an ESP32, objects and heap blocks alike.
// node wasmport.mjs <micropython.mjs> <folder that becomes the file system's /app> <script>

import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const HEAP = 1024 * 1024;

const [port, folder, script] = process.argv.slice(2);
const { loadMicroPython } = await import(pathToFileURL(path.resolve(port)));
const micropython = await loadMicroPython({ heapsize: HEAP, linebuffer: true, stdout: (line) => console.log(line) });

function copy(from, to) {
  micropython.FS.mkdir(to);
  for (const entry of fs.readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [path.join(from, entry.name), `${to}/${entry.name}`];
    if (entry.isDirectory()) copy(source, target);
    else micropython.FS.writeFile(target, fs.readFileSync(source));
  }
}

copy(folder, "/app");
try {
  micropython.runPython("import os\nos.chdir('/app')");
  for (const part of fs.readFileSync(script, "utf8").split("# ---\n")) {
    micropython.runPython(part);
    micropython.runPython("import gc\ngc.collect()"); // takes effect when the call returns
  }
} catch (error) {
  console.log(String(error)); // without the line of the port where it was raised: that is half a megabyte
  process.exitCode = 1;
}
