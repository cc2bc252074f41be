// three.js: node three_weights.mjs FILE... -> one line of JSON a file: what its animation mixer shows on every mesh at every key time.
import { readFile } from "node:fs/promises";
import { AnimationMixer } from "three";
import { GLTFLoader } from "three/examples/jsm/loaders/GLTFLoader.js";

// Browsers have this; node does not, and three's loader of data: addresses (the buffer of a .gltf) reports progress with it.
globalThis.ProgressEvent ??= class extends Event {};

for (const path of process.argv.slice(2)) {
  const bytes = await readFile(path);
  const gltf = await new GLTFLoader().parseAsync(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength), "");
  const [clip] = gltf.animations;
  const times = Array.from(clip.tracks[0].times);
  const mixer = new AnimationMixer(gltf.scene);
  mixer.clipAction(clip).play();

  const meshes = {};
  gltf.scene.traverse((mesh) => {
    if (!mesh.isMesh) return;
    const { position, normal } = mesh.geometry.morphAttributes;
    meshes[mesh.name] = {
      targets: Object.keys(mesh.morphTargetDictionary ?? {}),
      offsets: (position ?? []).map((target) => Array.from(target.array)),
      normalOffsets: (normal ?? []).map((target) => Array.from(target.array)),
      weights: [],
    };
  });
  for (const time of times) {
    // The action loops: at its very end it would show the first frame.
    mixer.setTime(Math.min(time, clip.duration * (1 - 1e-9)));
    gltf.scene.traverse((mesh) => {
      if (mesh.isMesh && mesh.morphTargetInfluences) meshes[mesh.name].weights.push(Array.from(mesh.morphTargetInfluences));
    });
  }
  console.log(JSON.stringify({ animation: clip.name, tracks: clip.tracks.length, times, meshes }));
}
