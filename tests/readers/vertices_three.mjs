// three.js: node vertices_three.mjs FILE=TIMES... -> one line of JSON a file: where every vertex of the scene is at those seconds
// of the last animation, skin and morph targets applied.
import { readFile } from "node:fs/promises";
import { AnimationMixer, Vector3 } from "three";
import { GLTFLoader } from "three/examples/jsm/loaders/GLTFLoader.js";

globalThis.ProgressEvent ??= class extends Event {};
globalThis.self ??= globalThis;

for (const argument of process.argv.slice(2)) {
  const [path, times] = argument.split("=");
  const bytes = await readFile(path);
  const loader = new GLTFLoader();
  // Images need a browser to decode them; the vertices do not.
  loader.register((parser) => ({
    name: "no_images",
    beforeRoot: async () => parser.json.materials?.forEach((material) => { delete material.pbrMetallicRoughness; }),
  }));
  const gltf = await loader.parseAsync(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength), "");
  const clip = gltf.animations.at(-1), mixer = new AnimationMixer(gltf.scene), frames = [];
  mixer.clipAction(clip).play();
  for (const time of times.split(",").map(Number)) {
    // The action loops: at its very end it would show the first frame.
    mixer.setTime(Math.min(time, clip.duration * (1 - 1e-9)));
    gltf.scene.updateMatrixWorld(true);
    const seen = {};
    gltf.scene.traverse((mesh) => {
      if (!mesh.isMesh) return;
      const points = [];
      for (let i = 0; i < mesh.geometry.attributes.position.count; i++) {
        points.push(mesh.getVertexPosition(i, new Vector3()).applyMatrix4(mesh.matrixWorld).toArray());
      }
      seen[mesh.name] = points;
    });
    frames.push(seen);
  }
  console.log(JSON.stringify(frames));
}
