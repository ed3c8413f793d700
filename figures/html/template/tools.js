"use strict";
// Elements, numbers, colours, and unpacking of the page's data.

const SVG = "http://www.w3.org/2000/svg";

function element(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

function shape(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children); // strings become text, never HTML
  return made;
}

function unpacked({ type, bytes }) {
  const text = atob(bytes);
  const raw = new Uint8Array(text.length);
  for (let k = 0; k < text.length; k++) raw[k] = text.charCodeAt(k);
  const types = { uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, float32: Float32Array };
  return new types[type](raw.buffer);
}

function spelled(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return "-";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(digits - 1);
  return String(Number(value.toPrecision(digits)));
}

// A time with as many decimals as a view of this width can tell apart.
function seconds(time, width) {
  return time.toFixed(Math.max(0, Math.min(4, 2 - Math.floor(Math.log10(width)))));
}

function clamped(value, low, high) {
  return Math.max(low, Math.min(high, value));
}

// Round values between two ends, about `n` of them.
function ticks(low, high, n) {
  const rough = (high - low) / n || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough * 0.999);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) found.push(Number((k * step).toPrecision(12)));
  return found;
}

function decades(low, high) {
  const found = [];
  for (let power = Math.ceil(Math.log10(low) - 1e-9); 10 ** power <= high * 1.000001; power++) found.push(10 ** power);
  return found.length > 1 ? found : [low, high];
}

// A colour of the page's style by name, or one of its eight by number.
function color(name) {
  return `var(--${typeof name === "number" ? `c${name % 8}` : name})`;
}

// The same as three numbers, for a canvas.
function rgb(name) {
  const value = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim().slice(1);
  const full = value.length === 3 ? [...value].map((c) => c + c).join("") : value;
  return [0, 2, 4].map((k) => parseInt(full.slice(k, k + 2), 16));
}

const VIRIDIS = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
const DIVERGING = [[33, 102, 172], [146, 197, 222], [247, 247, 247], [244, 165, 130], [178, 24, 43]];

// Colour of a share from 0 to 1.
function mixed(stops, share) {
  const place = clamped(share, 0, 1) * (stops.length - 1);
  const k = Math.min(stops.length - 2, Math.floor(place));
  const [from, to] = [stops[k], stops[k + 1]];
  return `rgb(${from.map((c, i) => Math.round(c + (to[i] - c) * (place - k))).join(",")})`;
}

// Draw now, when the width changes, when colours do, and before printing.
let drawings = [];

function drawn(holder, draw) {
  drawings.push({ holder, draw });
  let width = 0;
  new ResizeObserver(() => {
    const now = Math.floor(holder.clientWidth);
    if (now && now !== width) {
      width = now;
      draw();
    }
  }).observe(holder);
}

function drawAll() {
  drawings = drawings.filter(({ holder }) => holder.isConnected);
  for (const { draw } of drawings) draw();
}
