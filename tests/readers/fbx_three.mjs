// three.js: node fbx_three.mjs FILE... -> a line of JSON for each: the morph tracks that its FBXLoader makes, as its mixer shows them.
import { readFile } from "node:fs/promises";
import { AnimationMixer } from "three";
import { FBXLoader } from "three/examples/jsm/loaders/FBXLoader.js";

for (const path of process.argv.slice(2)) {
  const bytes = await readFile(path);
  const scene = new FBXLoader().parse(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength), "");
  const [clip] = scene.animations;
  const times = Array.from(clip.tracks[0].times);
  const mixer = new AnimationMixer(scene);
  mixer.clipAction(clip).play();
  const meshes = {};
  scene.traverse((mesh) => {
    if (mesh.isMesh) meshes[mesh.name] = { targets: Object.keys(mesh.morphTargetDictionary ?? {}), weights: [] };
  });
  for (const time of times) {
    // setTime wraps at the clip's end; the last key is read a hair before it.
    mixer.setTime(Math.min(time, clip.duration * (1 - 1e-9)));
    scene.traverse((mesh) => {
      if (mesh.isMesh && mesh.morphTargetInfluences) meshes[mesh.name].weights.push(Array.from(mesh.morphTargetInfluences));
    });
  }
  console.log(JSON.stringify({ animation: clip.name, times, meshes }));
}
