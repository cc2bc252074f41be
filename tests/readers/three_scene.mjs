// Opens a .glb, .gltf or .fbx file in three.js under node: { scene, animations }, textures left out.
import { readFile } from "node:fs/promises";
import { FBXLoader } from "three/examples/jsm/loaders/FBXLoader.js";
import { GLTFLoader } from "three/examples/jsm/loaders/GLTFLoader.js";

// Browsers have these; node does not, and three's loader of data: addresses (the buffer of a .gltf) asks for them.
globalThis.ProgressEvent ??= class extends Event {};
globalThis.self ??= globalThis;

export async function opened(path) {
  const bytes = await readFile(path);
  const content = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  if (path.endsWith(".fbx")) {
    const scene = new FBXLoader().parse(content, "");
    return { scene, animations: scene.animations };
  }
  const loader = new GLTFLoader();
  // Images need a browser to decode them; vertices and weights do not.
  loader.register((parser) => ({
    name: "no_images",
    beforeRoot: async () => parser.json.materials?.forEach((material) => { delete material.pbrMetallicRoughness; }),
  }));
  return loader.parseAsync(content, "");
}

// An action loops: at its very end it would show the first frame.
export const beforeTheEnd = (time, clip) => Math.min(time, clip.duration * (1 - 1e-9));
