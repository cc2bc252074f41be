// three.js: node three_takes.mjs FILE... -> one line of JSON a file: every animation, and what its mixer shows at the key times of its weights.
import { readFile } from "node:fs/promises";
import { AnimationMixer } from "three";
import { GLTFLoader } from "three/examples/jsm/loaders/GLTFLoader.js";

// Browsers have these; node does not, and three's loader of data: addresses asks for them.
globalThis.ProgressEvent ??= class extends Event {};
globalThis.self ??= globalThis;

for (const path of process.argv.slice(2)) {
  const bytes = await readFile(path);
  const loader = new GLTFLoader();
  // Images need a browser to decode them; the weights do not.
  loader.register((parser) => ({
    name: "no_images",
    beforeRoot: async () => parser.json.materials?.forEach((material) => { delete material.pbrMetallicRoughness; }),
  }));
  const gltf = await loader.parseAsync(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength), "");
  const animations = gltf.animations.map((clip) => {
    const track = clip.tracks.find((one) => one.name.endsWith(".morphTargetInfluences"));
    const times = track ? Array.from(track.times) : [];
    const mixer = new AnimationMixer(gltf.scene);
    const action = mixer.clipAction(clip);
    action.play();
    const meshes = {};
    for (const time of times) {
      // The action loops: at its very end it would show the first frame.
      mixer.setTime(Math.min(time, clip.duration * (1 - 1e-9)));
      gltf.scene.traverse((mesh) => {
        if (!mesh.isMesh || !mesh.morphTargetInfluences) return;
        meshes[mesh.name] ??= { targets: Object.keys(mesh.morphTargetDictionary), weights: [] };
        meshes[mesh.name].weights.push(Array.from(mesh.morphTargetInfluences));
      });
    }
    action.stop();
    return { name: clip.name, tracks: clip.tracks.map((one) => one.name), times, meshes };
  });
  console.log(JSON.stringify(animations));
}
