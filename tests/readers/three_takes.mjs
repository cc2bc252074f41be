// three.js: node three_takes.mjs FILE... -> one line of JSON a file: every animation, and what its mixer shows at the key times of its weights.
import { AnimationMixer } from "three";
import { beforeTheEnd, opened } from "./three_scene.mjs";

for (const path of process.argv.slice(2)) {
  const { scene, animations: clips } = await opened(path);
  const animations = clips.map((clip) => {
    const track = clip.tracks.find((one) => one.name.endsWith(".morphTargetInfluences"));
    const times = track ? Array.from(track.times) : [];
    const mixer = new AnimationMixer(scene);
    const action = mixer.clipAction(clip);
    action.play();
    const meshes = {};
    for (const time of times) {
      mixer.setTime(beforeTheEnd(time, clip));
      scene.traverse((mesh) => {
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
