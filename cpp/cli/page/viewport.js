// Pan and zoom.
"use strict";

const CLOSEST = 4;
const FARTHEST = 0.01;
const READABLE = 0.75; // Scale at which a large diagram starts.

class Viewport {
  constructor(svgElement, view, scaleOutput) {
    this.svg = svgElement;
    this.view = view;
    this.output = scaleOutput;
    this.size = {width: 1, height: 1};
    this.pointers = new Map();
    Object.assign(this, {x: 0, y: 0, scale: 1, moved: false});
    this.svg.addEventListener("wheel", (event) => this.wheel(event), {passive: false});
    this.svg.addEventListener("pointerdown", (event) => this.down(event));
    this.svg.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
      this.svg.addEventListener(name, (event) => this.pointers.delete(event.pointerId));
    }
  }

  apply() {
    const [x, y] = [round(this.x), round(this.y)];
    this.view.setAttribute("transform", `translate(${x},${y}) scale(${this.scale.toFixed(4)})`);
    this.svg.classList.toggle("far", this.scale < 0.3);
    this.output.textContent = Math.round(100 * this.scale) + " %";
  }

  box() { return this.svg.getBoundingClientRect(); }

  zoomAt(x, y, factor) {
    const scale = Math.max(FARTHEST, Math.min(CLOSEST, this.scale * factor));
    this.x = x - (x - this.x) * scale / this.scale;
    this.y = y - (y - this.y) * scale / this.scale;
    this.scale = scale;
    this.apply();
  }

  zoom(factor) {
    const box = this.box();
    this.zoomAt(box.width / 2, box.height / 2, factor);
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.apply();
  }

  fit() {
    const box = this.box();
    const margin = 24;
    const scale = Math.min((box.width - 2 * margin) / this.size.width,
                           (box.height - 2 * margin) / this.size.height, 1.25);
    this.scale = Math.max(FARTHEST, scale);
    this.x = (box.width - this.scale * this.size.width) / 2;
    this.y = (box.height - this.scale * this.size.height) / 2;
    this.apply();
  }

  /** All of a small diagram; the top of one that could not be read as a whole. */
  start() {
    this.fit();
    if (this.scale >= READABLE) return;
    const box = this.box();
    this.scale = READABLE;
    this.x = (box.width - this.scale * this.size.width) / 2;
    this.y = Math.max(24, (box.height - this.scale * this.size.height) / 2);
    if (this.scale * this.size.height > box.height) this.y = 24;
    this.apply();
  }

  centre(place) {
    const box = this.box();
    this.scale = Math.max(this.scale, READABLE);
    this.x = box.width / 2 - this.scale * (place.x + Math.min(place.width, 400) / 2);
    this.y = box.height / 2 - this.scale * (place.y + Math.min(place.height, 200) / 2);
    this.apply();
  }

  wheel(event) {
    event.preventDefault();
    const box = this.box();
    const lines = event.deltaMode === 1 ? 16 : 1;
    const delta = Math.max(-240, Math.min(240, event.deltaY * lines));
    this.zoomAt(event.clientX - box.left, event.clientY - box.top, Math.exp(-delta / 400));
  }

  down(event) {
    if (event.button !== 0) return;
    this.pointers.set(event.pointerId, {x: event.clientX, y: event.clientY});
    this.moved = false;
    this.travel = 0;
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const [dx, dy] = [event.clientX - before.x, event.clientY - before.y];
    this.travel += Math.abs(dx) + Math.abs(dy);
    if (this.travel < 4) return;
    if (!this.moved) this.svg.setPointerCapture(event.pointerId);
    this.moved = true;
    if (this.pointers.size === 2) this.pinch(event, before);
    else this.pan(dx, dy);
    this.pointers.set(event.pointerId, {x: event.clientX, y: event.clientY});
  }

  pinch(event, before) {
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)[1];
    const box = this.box();
    const was = Math.hypot(before.x - other.x, before.y - other.y);
    const is = Math.hypot(event.clientX - other.x, event.clientY - other.y);
    if (was > 0) this.zoomAt(other.x - box.left, other.y - box.top, is / was);
  }
}
