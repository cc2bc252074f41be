// A head on a stage: a .glb whose morph targets, and joints, follow a line's curves.

import {
  AmbientLight, Box3, Color, DirectionalLight, HemisphereLight, PerspectiveCamera, Scene, SRGBColorSpace, Vector3, WebGLRenderer,
} from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";

const FACE = /^(jaw|mouth|eye|brow|cheek|nose|viseme)/i;

export class Stage {
  /** @param {HTMLElement} place that the head fills; it may change its size */
  constructor(place) {
    this.renderer = new WebGLRenderer({ antialias: true, preserveDrawingBuffer: true });
    this.renderer.outputColorSpace = SRGBColorSpace;
    this.renderer.setPixelRatio(Math.min(2, devicePixelRatio || 1));
    this.canvas = this.renderer.domElement;
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", "The talking head; drag to turn it");
    place.prepend(this.canvas);
    this.place = place;
    this.scene = new Scene();
    this.scene.add(new HemisphereLight(0xffffff, 0x8890a0, 1.1), new AmbientLight(0xffffff, 0.25));
    const key = new DirectionalLight(0xfff4e8, 2.1), fill = new DirectionalLight(0xdfe8ff, 0.8), rim = new DirectionalLight(0xffffff, 1.3);
    key.position.set(1.2, 1.4, 2); fill.position.set(-2, 0.4, 1.2); rim.position.set(0.4, 1.6, -2);
    this.scene.add(key, fill, rim);
    this.camera = new PerspectiveCamera(26, 1, 0.01, 100);
    this.controls = new OrbitControls(this.camera, this.canvas);
    this.controls.enableDamping = false;
    this.controls.addEventListener("change", () => this.draw());
    this.model = null;
    /** @type {{influences: number[], at: [string, number][]}[]} what each mesh has of targets, by name */
    this.morphs = [];
    new ResizeObserver(() => this.resize()).observe(place);
    this.resize();
  }

  /**
   * Show a head in place of the one before.
   * @param {ArrayBuffer} glb
   */
  async show(glb) {
    const loaded = await new GLTFLoader().parseAsync(glb, "");
    if (this.model) { this.scene.remove(this.model); release(this.model); }
    this.model = loaded.scene;
    this.parser = loaded.parser;
    this.nodes = new Map();
    this.morphs = [];
    this.model.traverse((one) => {
      if (!one.morphTargetInfluences?.length) return;
      one.frustumCulled = false;  // its bounds are those at rest
      this.morphs.push({ mesh: one, influences: one.morphTargetInfluences, rest: [...one.morphTargetInfluences], at: Object.entries(one.morphTargetDictionary ?? {}) });
    });
    this.scene.add(this.model);
    this.reset();
  }

  /** The names of all targets. @returns {string[]} */
  get targets() { return [...new Set(this.morphs.flatMap(({ at }) => at.map(([name]) => name)))]; }

  /**
   * Pose the head as it is at a time, and draw it.
   * @param {{value: (name: string, seconds: number) => number, curves: Map<string, unknown>, turns?: {node: number, values: Int16Array}[], frame: (seconds: number) => number}} animation
   * @param {number} seconds
   */
  pose(animation, seconds) {
    if (!this.model) return;
    for (const { influences, rest, at } of this.morphs) {
      // Every mesh that has the target moves: teeth and tongue go with the jaw.
      for (const [name, index] of at) influences[index] = animation.curves.has(name) ? animation.value(name, seconds) : rest[index];
    }
    for (const { node, values } of animation.turns ?? []) this.turn(node, values, animation.frame(seconds));
    this.draw();
  }

  turn(node, values, frame) {
    const place = this.nodes.get(node);
    if (place === undefined) {
      this.nodes.set(node, null);
      this.parser.getDependency("node", node).then((one) => { this.nodes.set(node, one); this.turn(node, values, frame); this.draw(); }, () => {});
    } else if (place) place.quaternion.set(...[0, 1, 2, 3].map((k) => values[4 * frame + k] / 32767)).normalize();
  }

  /** Look at the face from the front. */
  reset() {
    if (!this.model) return;
    const box = face(this.morphs) ?? new Box3().setFromObject(this.model), centre = box.getCenter(new Vector3()), size = box.getSize(new Vector3());
    const reach = Math.max(size.y, size.x / Math.max(0.6, this.camera.aspect)) * 0.62, away = reach / Math.tan((this.camera.fov * Math.PI) / 360);
    this.camera.near = away / 50; this.camera.far = away * 50;
    this.controls.target.copy(centre);
    this.camera.position.copy(centre).add(new Vector3(away * 0.16, away * 0.02, away));
    this.camera.updateProjectionMatrix();
    this.controls.update();
    this.draw();
  }

  /** @param {string} colour of the style sheet */
  setBackground(colour) {
    this.scene.background = new Color(colour);
    this.draw();
  }

  resize() {
    const { clientWidth, clientHeight } = this.place;
    if (!clientWidth || !clientHeight) return;
    this.renderer.setSize(clientWidth, clientHeight, false);
    this.camera.aspect = clientWidth / clientHeight;
    this.camera.updateProjectionMatrix();
    this.draw();
  }

  draw() { this.renderer.render(this.scene, this.camera); }
}

/** The box of the meshes that carry the face's targets; null if no target's name tells of a face. */
function face(morphs) {
  const carriers = morphs.filter(({ at }) => at.some(([name]) => FACE.test(name)));
  if (!carriers.length) return null;
  const box = new Box3();
  for (const { mesh } of carriers) {
    mesh.updateWorldMatrix(true, false);
    const one = new Box3().setFromBufferAttribute(mesh.geometry.attributes.position).applyMatrix4(mesh.matrixWorld);
    box.union(one);
  }
  return box;
}

function release(model) {
  model.traverse((one) => {
    one.geometry?.dispose();
    for (const material of [one.material].flat().filter(Boolean)) {
      for (const value of Object.values(material)) value?.isTexture && value.dispose();
      material.dispose();
    }
  });
}
