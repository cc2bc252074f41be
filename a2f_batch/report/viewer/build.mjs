// Builds built/viewer.js: one classic script, for a page from the disk loads no modules. Run by `make viewer`.
import { build } from "esbuild";

await build({
  absWorkingDir: import.meta.dirname,
  entryPoints: ["stage.js"],
  outfile: "built/viewer.js",
  bundle: true,
  minify: true,
  format: "iife",
  globalName: "a2fViewer",
  target: ["chrome100", "firefox100", "safari15"],
  legalComments: "eof",
});
