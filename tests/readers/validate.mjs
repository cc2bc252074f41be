// Khronos glTF validator: node validate.mjs FILE... -> a JSON report a file, one a line.
import { readFile } from "node:fs/promises";
import validator from "gltf-validator";

for (const path of process.argv.slice(2)) {
  const report = await validator.validateBytes(new Uint8Array(await readFile(path)), { uri: path, maxIssues: 20 });
  console.log(JSON.stringify(report));
}
