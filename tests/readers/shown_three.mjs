// three.js: node shown_three.mjs, a path of a .glb, .gltf or .fbx file a line on stdin -> one line of JSON for each: what its mixer shows of
// the last animation on every mesh at every key time: {"name", "times": float64, "meshes": {mesh: {"targets": [...], "weights": float32, a row
// a time}}}, arrays as base64; or {"error"}.
import { createInterface } from "node:readline";
import { AnimationMixer, LoopOnce } from "three";
import { opened } from "./three_scene.mjs";

const packed = (array) => Buffer.from(array.buffer).toString("base64");

async function shown(path) {
  const { scene, animations } = await opened(path);
  const clip = animations.at(-1);
  const times = Float64Array.from(clip.tracks.find((track) => track.name.includes(".morphTargetInfluences")).times);
  const mixer = new AnimationMixer(scene);
  const action = mixer.clipAction(clip).setLoop(LoopOnce, 1);
  action.clampWhenFinished = true; // else its very end would show the first frame
  action.play();
  const meshes = [];
  scene.traverse((mesh) => { if (mesh.isMesh && mesh.morphTargetInfluences?.length) meshes.push({ mesh, weights: [] }); });
  for (const time of times) {
    mixer.setTime(time);
    for (const { mesh, weights } of meshes) weights.push(...mesh.morphTargetInfluences);
  }
  return { name: clip.name, times: packed(times), meshes: Object.fromEntries(meshes.map(({ mesh, weights }) =>
    [mesh.name, { targets: Object.keys(mesh.morphTargetDictionary), weights: packed(Float32Array.from(weights)) }])) };
}

for await (const path of createInterface({ input: process.stdin }))
  console.log(JSON.stringify(await shown(path).catch((error) => ({ error: error.stack }))));
