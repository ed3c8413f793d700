// The raster: all electrodes over time, to zoom, to pan and to scrub; above it the rate of the whole recording.

function rasterOf(given) {
  const [delta, of] = [unpacked(given.delta), unpacked(given.electrode)];
  const none = given.names.length; // fills pauses too long for the packing
  const time = new Float64Array(delta.length);
  let ticksSoFar = 0;
  for (let k = 0; k < delta.length; k++) time[k] = (ticksSoFar += delta[k]) * given.tick;
  return { time, of, none, n: given.names.length, duration: given.duration };
}

// Index of the first time that is not below a value.
function firstFrom(times, value) {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

// `told(kind, electrode, time)`: an electrode is hovered (-1: none) or selected.
function rasterView(holder, spikes, given, told) {
  const { duration, n } = spikes;
  const state = { from: 0, to: duration, selected: -1, hovered: -1, marks: [] };
  const overview = element("canvas", { class: "overview", "aria-hidden": "true" });
  const scrub = element("input", { type: "range", min: 0, max: 1000, step: 1, value: 0, "aria-label": "Scrub: place of the view in the recording" });
  const canvas = element("canvas", { class: "raster", tabindex: 0, role: "img" });
  const said = element("output");
  holder.append(overview, scrub, canvas, said);
  const height = clamped(n * 5, 170, 420);
  const population = unpacked(given.population);

  function view(from, to) {
    const width = clamped(to - from, Math.min(duration, 0.02), duration);
    state.from = clamped(from, 0, duration - width);
    state.to = state.from + width;
    const free = duration - width;
    scrub.disabled = free <= 0;
    scrub.value = free > 0 ? Math.round((1000 * state.from) / free) : 0;
    const text = `${seconds(state.from, width)} to ${seconds(state.to, width)} s`;
    scrub.setAttribute("aria-valuetext", text);
    canvas.setAttribute("aria-label", `Raster of ${n} electrodes, ${text}; arrows move, plus and minus zoom`);
    canvas.dataset.view = `${state.from} ${state.to}`;
    said.textContent = `${text} of ${seconds(duration, duration)} s`;
    redraw();
  }
  const zoom = (factor, at = (state.from + state.to) / 2) => {
    const width = clamped((state.to - state.from) * factor, Math.min(duration, 0.02), duration);
    const share = (at - state.from) / (state.to - state.from);
    view(at - share * width, at + (1 - share) * width);
  };
  const pan = (share) => {
    const by = share * (state.to - state.from);
    view(state.from + by, state.to + by);
  };
  function redraw() {
    drawRaster(canvas, height, spikes, state);
    drawOverview(overview, population, duration, state);
  }
  scrub.addEventListener("input", () => {
    const width = state.to - state.from;
    const from = (scrub.value / 1000) * (duration - width);
    view(from, from + width);
  });
  canvas.addEventListener("keydown", (event) => {
    const act = {
      ArrowRight: () => pan(0.1), ArrowLeft: () => pan(-0.1), PageDown: () => pan(0.9), PageUp: () => pan(-0.9),
      "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), 0: () => view(0, duration),
      Home: () => view(0, state.to - state.from), End: () => view(duration - (state.to - state.from), duration),
      ArrowDown: () => told("select", clamped(state.selected + 1, 0, n - 1)), ArrowUp: () => told("select", clamped(state.selected - 1, 0, n - 1)),
    }[event.key];
    if (!act || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    act();
  });
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    const row = Math.floor(((event.clientY - box.top) / box.height) * n);
    return { time: state.from + ((event.clientX - box.left) / box.width) * (state.to - state.from), electrode: clamped(row, 0, n - 1) };
  };
  const hovered = (k, time) => {
    said.textContent = k < 0 ? `${seconds(state.from, state.to - state.from)} to ${seconds(state.to, state.to - state.from)} s` : `${given.names[k]} at ${seconds(time, state.to - state.from)} s`;
    told("hover", k);
  };
  pointers(canvas, place, { zoom, view, state, hovered, selected: (k) => told("select", k) });
  drawn(holder, redraw);
  view(0, duration);
  return {
    view, zoom, show: (changes) => (Object.assign(state, changes), redraw()),
  };
}

// Drag pans, two fingers or ctrl and the wheel zoom, a click selects.
function pointers(canvas, place, { zoom, view, state, hovered, selected }) {
  const down = new Map();
  let start = null;
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.shiftKey) return; // the page scrolls
    event.preventDefault();
    zoom(Math.exp((event.deltaY || event.deltaX) / 300), place(event).time);
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    down.set(event.pointerId, event.clientX);
    start = { x: event.clientX, from: state.from, to: state.to, moved: false };
  });
  canvas.addEventListener("pointermove", (event) => {
    const width = canvas.clientWidth;
    if (!down.size) {
      const { electrode, time } = place(event);
      return hovered(electrode, time);
    }
    if (down.size === 2 && down.has(event.pointerId)) {
      const others = [...down].find(([id]) => id !== event.pointerId)[1];
      const [was, is] = [Math.abs(down.get(event.pointerId) - others), Math.abs(event.clientX - others)];
      if (was > 5 && is > 5) zoom(was / is, place(event).time);
      start.moved = true;
    } else if (down.size === 1 && Math.abs(event.clientX - start.x) > 4) {
      start.moved = true;
      const by = ((start.x - event.clientX) / width) * (start.to - start.from);
      view(start.from + by, start.to + by);
    }
    down.set(event.pointerId, event.clientX);
  });
  const up = (event) => {
    const clicked = event.type === "pointerup" && down.size === 1 && start && !start.moved;
    down.delete(event.pointerId);
    if (clicked) selected(place(event).electrode);
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("pointerleave", () => down.size || hovered(-1, 0));
}

function sized(canvas, height) {
  const ratio = Math.min(2, window.devicePixelRatio || 1);
  const width = Math.max(1, canvas.clientWidth);
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.height = `${height}px`;
  return { context: canvas.getContext("2d"), width: canvas.width, height: canvas.height, ratio };
}

function drawRaster(canvas, tall, { time, of, none, n }, { from, to, selected, hovered, marks }) {
  const { context, width, height, ratio } = sized(canvas, tall);
  const image = context.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const packed = (name) => rgb(name).reduce((all, c, k) => all | (c << (8 * k)), 0xff000000) >>> 0;
  const [plain, bold, stripe, line] = [packed("after"), packed("published"), packed("line"), packed("line")];
  const row = height / n;
  const fill = (x, k, ink) => {
    const last = Math.max(Math.floor(k * row) + 1, Math.floor((k + 1) * row) - (row > 3 ? 1 : 0));
    for (let y = Math.floor(k * row); y < last && y < height; y++) pixels[y * width + x] = ink;
  };
  if (hovered >= 0) for (let x = 0; x < width; x++) fill(x, hovered, stripe);
  const scale = width / (to - from);
  for (const mark of marks) {
    const x = Math.floor((mark - from) * scale);
    if (x >= 0 && x < width) for (let y = 0; y < height; y++) pixels[y * width + x] = line;
  }
  const thick = Math.round(ratio);
  for (let k = firstFrom(time, from); k < time.length && time[k] <= to; k++) {
    if (of[k] === none) continue;
    const x = Math.min(width - 1, Math.floor((time[k] - from) * scale));
    for (let wide = 0; wide < thick && x + wide < width; wide++) fill(x + wide, of[k], of[k] === selected ? bold : plain);
  }
  context.putImageData(image, 0, 0);
}

function drawOverview(canvas, population, duration, { from, to }) {
  const { context, width, height } = sized(canvas, 44);
  const top = population.reduce((a, b) => Math.max(a, b), 0) || 1;
  context.fillStyle = `rgb(${rgb("before")})`;
  const step = width / population.length;
  population.forEach((rate, k) => context.fillRect(k * step, height * (1 - rate / top), Math.max(step, 1), (height * rate) / top));
  context.strokeStyle = `rgb(${rgb("published")})`;
  context.lineWidth = 3;
  const x = (from / duration) * width;
  context.strokeRect(x + 1.5, 1.5, Math.max(3, ((to - from) / duration) * width - 3), height - 3);
}
