// The array: a disc at each electrode, coloured by a value; hover, click, arrow keys and Enter.

// `told(kind, electrode)` is called when an electrode is hovered (-1: none) or selected.
function arrayMap(holder, given, told = () => {}) {
  const n = given.names.length;
  const state = { map: 0, selected: -1, hovered: -1, focus: 0, marked: [] };
  const maps = given.maps.map((m) => ({ ...m, values: unpacked(m.values) }));
  const said = element("output");
  const bar = element("div", { class: "bar" });
  const discs = placed(given.positions);
  const picture = discs.picture;
  const chooser = element("select", {}, ...maps.map((m, k) => element("option", { value: k }, m.name)));
  const note = element("p", { class: "note" }, given.known ? "" : "Positions are not known: electrodes in order.");
  holder.append(element("div", { class: "controls" }, element("label", {}, "Colour: ", chooser)), picture, bar, said, note);

  const values = () => shownValues(maps[state.map], state.selected, n);
  const limits = () => {
    const map = maps[state.map];
    const all = finite([...values()]);
    const top = all.reduce((a, b) => Math.max(a, map.diverging ? Math.abs(b) : b), 0) || 1;
    return map.diverging ? [-top, top] : [Math.min(0, ...(all.length < 1e4 ? all : [0])), top];
  };
  function redraw() {
    const map = maps[state.map];
    const [shown, [low, high]] = [values(), limits()];
    const stops = map.diverging ? DIVERGING : VIRIDIS;
    discs.circles.forEach((circle, k) => {
      const there = Number.isFinite(shown[k]);
      circle.style.fill = there ? mixed(stops, (shown[k] - low) / (high - low)) : "";
      const states = { none: !there, marked: state.marked.includes(k) || map.outlined.includes(k), hovered: k === state.hovered, selected: k === state.selected };
      circle.setAttribute("class", Object.keys(states).filter((s) => states[s]).join(" "));
      circle.setAttribute("aria-label", `${given.names[k]}: ${spelled(shown[k])} ${map.unit}`);
      circle.setAttribute("aria-pressed", k === state.selected);
      circle.setAttribute("tabindex", k === state.focus ? 0 : -1);
    });
    const scale = element("i");
    scale.style.background = `linear-gradient(90deg, ${[0, 0.25, 0.5, 0.75, 1].map((s) => mixed(stops, s)).join(",")})`;
    bar.replaceChildren(spelled(low), scale, `${spelled(high)} ${map.unit}`);
  }
  function tell() {
    const k = state.hovered >= 0 ? state.hovered : state.selected;
    said.textContent = k < 0 ? "" : discs.circles[k].getAttribute("aria-label");
  }
  function hover(k) {
    if (k === state.hovered) return;
    state.hovered = k;
    redraw();
    tell();
  }
  function select(k) {
    state.selected = k;
    if (k >= 0) state.focus = k;
    redraw();
    tell();
  }
  chooser.addEventListener("change", () => {
    state.map = Number(chooser.value);
    redraw();
    tell();
  });
  listen(discs, given.positions, state, {
    hover: (k) => (hover(k), told("hover", k)),
    select: (k) => (select(k), told("select", k)),
    focus: redraw,
  });
  redraw();
  return { hover, select, mark: (which) => ((state.marked = which), redraw()) };
}

// Values to colour by: of a matrix the row of the selected electrode, else the mean of all rows.
function shownValues(map, selected, n) {
  if (!map.matrix) return map.values;
  if (selected >= 0) return map.values.slice(selected * n, (selected + 1) * n);
  return Float32Array.from({ length: n }, (_, k) => {
    const column = finite(Array.from({ length: n }, (_, row) => map.values[row * n + k]));
    return column.length ? column.reduce((a, b) => a + b, 0) / column.length : NaN;
  });
}

// Discs at the places of the electrodes; y points down, as rows do.
function placed(positions) {
  const distance = nearest(positions);
  const radius = 0.42 * distance;
  const [xs, ys] = [positions.map((p) => p[0]), positions.map((p) => p[1])];
  const [left, top] = [Math.min(...xs) - distance, Math.min(...ys) - distance];
  const [width, height] = [Math.max(...xs) - left + distance, Math.max(...ys) - top + distance];
  const picture = shape("svg", { class: "electrodes", viewBox: `${left} ${top} ${width} ${height}`, role: "group", "aria-label": "electrode array" });
  const circles = positions.map(([cx, cy]) => shape("circle", { cx, cy, r: radius, role: "button" }));
  const length = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000].filter((l) => l <= width / 3).pop() || 5;
  const base = top + height - distance * 0.25;
  const scale = shape("path", { d: `M${left + distance * 0.5} ${base}h${length}`, stroke: color("ink"), "stroke-width": width / 150 });
  const label = shape("text", { x: left + distance * 0.5 + length + width / 60, y: base + width / 90 }, length < 1000 ? `${length} um` : `${length / 1000} mm`);
  label.style.fontSize = `${width / 30}px`;
  picture.append(...circles, scale, label);
  return { picture, circles };
}

function nearest(positions) {
  let found = Infinity;
  for (const [k, [x, y]] of positions.entries()) {
    for (const [u, v] of positions.slice(k + 1)) found = Math.min(found, Math.hypot(x - u, y - v));
  }
  return Number.isFinite(found) && found > 0 ? found : 100;
}

function listen({ picture, circles }, positions, state, { hover, select, focus }) {
  picture.addEventListener("pointerover", (event) => hover(circles.indexOf(event.target)));
  picture.addEventListener("pointerleave", () => hover(-1));
  picture.addEventListener("click", (event) => {
    const k = circles.indexOf(event.target);
    if (k >= 0) select(k === state.selected ? -1 : k);
  });
  picture.addEventListener("keydown", (event) => {
    const way = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
    if (way) state.focus = neighbour(positions, state.focus, way);
    else if (event.key === "Enter" || event.key === " ") select(state.focus === state.selected ? -1 : state.focus);
    else if (event.key === "Escape") select(-1);
    else return;
    event.preventDefault();
    focus();
    circles[state.focus].focus();
    if (way) hover(state.focus);
  });
}

// The electrode next to one in a direction: near, and not far to the side.
function neighbour(positions, from, [dx, dy]) {
  let [best, found] = [Infinity, from];
  positions.forEach(([x, y], k) => {
    const ahead = (x - positions[from][0]) * dx + (y - positions[from][1]) * dy;
    const aside = Math.abs((x - positions[from][0]) * dy) + Math.abs((y - positions[from][1]) * dx);
    if (ahead > 1e-6 && aside <= ahead && ahead + 2 * aside < best) [best, found] = [ahead + 2 * aside, k];
  });
  return found;
}
