// Khronos glTF validator: node validate.mjs FILE... (or a path a line on stdin) -> a JSON report a file, one a line.
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import validator from "gltf-validator";

const paths = process.argv.length > 2 ? process.argv.slice(2) : createInterface({ input: process.stdin });
for await (const path of paths) {
  const report = await validator.validateBytes(new Uint8Array(await readFile(path)), { uri: path, maxIssues: 20 });
  console.log(JSON.stringify(report));
}
