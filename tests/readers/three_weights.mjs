// three.js: node three_weights.mjs FILE... -> one line of JSON for each .glb, .gltf or .fbx: what its mixer shows on every mesh at every key time.
import { AnimationMixer } from "three";
import { beforeTheEnd, opened } from "./three_scene.mjs";

for (const path of process.argv.slice(2)) {
  const { scene, animations: [clip] } = await opened(path);
  const times = Array.from(clip.tracks[0].times);
  const mixer = new AnimationMixer(scene);
  mixer.clipAction(clip).play();

  const meshes = {};
  scene.traverse((mesh) => {
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
    mixer.setTime(beforeTheEnd(time, clip));
    scene.traverse((mesh) => {
      if (mesh.isMesh && mesh.morphTargetInfluences) meshes[mesh.name].weights.push(Array.from(mesh.morphTargetInfluences));
    });
  }
  console.log(JSON.stringify({ animation: clip.name, tracks: clip.tracks.length, times, meshes }));
}
