// three.js: node vertices_three.mjs FILE=TIMES... -> one line of JSON a file: where every vertex of the scene is at those seconds
// of the last animation, skin and morph targets applied.
import { AnimationMixer, Vector3 } from "three";
import { beforeTheEnd, opened } from "./three_scene.mjs";

for (const argument of process.argv.slice(2)) {
  const [path, times] = argument.split("=");
  const { scene, animations } = await opened(path);
  const clip = animations.at(-1), mixer = new AnimationMixer(scene), frames = [];
  mixer.clipAction(clip).play();
  for (const time of times.split(",").map(Number)) {
    mixer.setTime(beforeTheEnd(time, clip));
    scene.updateMatrixWorld(true);
    const seen = {};
    scene.traverse((mesh) => {
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
