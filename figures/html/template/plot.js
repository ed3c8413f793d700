// A plot with axes: lines, bands, points and bars; values at the pointer, or by arrow keys.

function plot(holder, given) {
  const figure = element("div");
  const said = element("output");
  holder.append(figure, said, legend(given.series), element("p", { class: "note" }, given.note || ""));
  drawn(holder, () => figure.replaceChildren(axes(given, holder.clientWidth, said, figure)));
}

function legend(series) {
  const keys = series.filter((s) => s.name);
  const list = element("div", { class: "legend" });
  if (keys.length < 2) return list;
  for (const s of keys) {
    const key = element("i", { class: s.look });
    key.style.borderColor = color(s.color);
    if (s.look === "points") key.style.background = color(s.color);
    list.append(element("span", {}, key, s.name));
  }
  return list;
}

function finite(values) {
  return values.filter((v) => v !== null && Number.isFinite(v));
}

// Ends of both axes: all that is drawn, with a margin; bars stand on zero.
function limits(given) {
  const all = given.scale || given.series;
  const half = Math.max(0, ...all.filter((s) => s.look === "bars").map((s) => Math.abs(s.x[1] - s.x[0]) / 2 || 0));
  let x = finite(all.flatMap((s) => s.x));
  if (given.logX) x = x.filter((v) => v > 0);
  let y = finite([...all.flatMap((s) => [...s.y, ...(s.low || []), ...(s.high || [])]), ...given.levels.map((l) => l[0])]);
  if (half) y.push(0);
  if (given.logY) y = y.filter((v) => v > 0);
  const ends = (v) => (v.length ? [v.reduce((a, b) => Math.min(a, b)), v.reduce((a, b) => Math.max(a, b))] : [0, 1]);
  let [left, right] = ends(x);
  let [low, high] = ends(y);
  const zero = low === 0 && half;
  const margin = (high - low || Math.abs(high) || 1) * 0.06;
  if (given.logY) [low, high] = [low / 1.5, high * 1.5];
  else [low, high] = [zero ? low : low - margin, high + margin];
  if (given.logX) [left, right] = [left / 1.15, right * 1.15];
  else if (given.ticks) [left, right] = [left - 0.4, right + 0.4];
  else if (half) [left, right] = [left - half, right + half];
  else if (left === right) [left, right] = [left - 1, right + 1];
  return { left, right, low, high };
}

function axes(given, width, said, holder) {
  const { left, right, low, high } = limits(given);
  const height = Math.round(clamped(width * 0.55, 190, 320));
  const yTicks = given.logY ? decades(low, high) : ticks(low, high, height / 55);
  const box = { l: 22 + 6.4 * Math.max(...yTicks.map((t) => ticked(t).length)), r: width - 14, t: 16, b: height - 40 };
  const along = (log, from, to) => (log ? (v) => Math.log10(v / from) / Math.log10(to / from) : (v) => (v - from) / (to - from));
  const [across, up] = [along(given.logX, left, right), along(given.logY, low, high)];
  const X = (v) => box.l + across(v) * (box.r - box.l);
  const Y = (v) => box.b - up(v) * (box.b - box.t);
  const title = [given.x, given.y].join("; ");
  const picture = shape("svg", { viewBox: `0 0 ${width} ${height}`, tabindex: 0, role: "img", "aria-label": title });
  frame(picture, given, { box, X, Y, left, right, yTicks, width, height });
  for (const s of given.series) picture.append(drawnSeries(s, X, Y, low));
  levels(picture, given, { box, Y });
  readout(picture, given, { box, X, left, right }, said);
  return picture;
}

function ticked(tick) {
  return tick && Math.abs(tick) < 1e-3 ? Number(tick.toPrecision(3)).toExponential() : spelled(tick, 6);
}

function frame(picture, given, { box, X, Y, left, right, yTicks, width, height }) {
  const line = (x1, y1, x2, y2, more = {}) => shape("line", { x1, y1, x2, y2, stroke: color("line"), ...more });
  for (const t of yTicks) {
    picture.append(line(box.l, Y(t), box.r, Y(t)));
    picture.append(shape("text", { x: box.l - 5, y: Y(t) + 4, "text-anchor": "end" }, ticked(t)));
  }
  const round = given.logX ? decades(left, right) : ticks(left, right, (box.r - box.l) / 80);
  let free = -Infinity; // labels that would run into each other are left out
  for (const [place, text] of given.ticks || round.map((t) => [t, ticked(t)])) {
    const half = 3.2 * text.length;
    picture.append(line(X(place), box.b, X(place), box.b + 4));
    if (X(place) - half < free) continue;
    free = X(place) + half + 6;
    picture.append(shape("text", { x: X(place), y: box.b + 16, "text-anchor": "middle" }, text));
  }
  picture.append(line(box.l, box.b, box.r, box.b, { stroke: color("muted") }));
  picture.append(shape("text", { x: (box.l + box.r) / 2, y: height - 6, "text-anchor": "middle" }, given.x));
  picture.append(shape("text", { x: 0, y: 9 }, given.y));
}

// Horizontal lines with their names; names that would run into each other move down.
function levels(picture, given, { box, Y }) {
  let above = -Infinity;
  for (const [value, name] of [...given.levels].sort((a, b) => b[0] - a[0])) {
    picture.append(shape("line", { x1: box.l, x2: box.r, y1: Y(value), y2: Y(value), stroke: color("muted"), "stroke-dasharray": "2 3" }));
    above = Math.max(Y(value) - 4, above + 12);
    picture.append(shape("text", { x: box.r, y: above, "text-anchor": "end" }, name));
  }
}

function drawnSeries(s, X, Y, bottom) {
  const group = shape("g", { stroke: color(s.color), fill: "none" });
  const there = s.x.map((_, k) => k).filter((k) => s.x[k] !== null && s.y[k] !== null);
  const path = (ks, y) => ks.map((k, i) => `${i ? "L" : "M"}${X(s.x[k]).toFixed(1)} ${Y(y[k]).toFixed(1)}`).join("");
  if (s.look === "bars") {
    const half = there.length > 1 ? Math.abs(X(s.x[there[1]]) - X(s.x[there[0]])) * 0.45 : 8;
    const base = Y(Math.max(0, bottom));
    for (const k of there) {
      const [y, x] = [Y(s.y[k]), X(s.x[k]) - half];
      group.append(shape("rect", { x, y: Math.min(y, base), width: 2 * half, height: Math.abs(base - y), stroke: "none", fill: color(s.color), opacity: 0.8 }));
    }
  }
  if (s.low && s.high) group.append(...spread(s, there, X, Y, path));
  if (["line", "dashed", "thin"].includes(s.look)) {
    const thin = s.look === "thin";
    group.append(shape("path", { d: path(there, s.y), "stroke-width": thin ? 0.8 : 2, opacity: thin ? 0.5 : 1, "stroke-dasharray": s.look === "dashed" ? "6 4" : "none" }));
  }
  if (s.look === "points" || (s.look !== "thin" && s.look !== "bars" && there.length <= 12)) {
    for (const k of there) group.append(shape("circle", { cx: X(s.x[k]), cy: Y(s.y[k]), r: 3, stroke: "none", fill: color(s.color) }));
  }
  return group;
}

// A band around a line, whiskers on points and bars.
function spread(s, there, X, Y, path) {
  const known = there.filter((k) => s.low[k] !== null && s.high[k] !== null);
  if (s.look === "line" || s.look === "dashed") {
    const back = [...known].reverse();
    return known.length ? [shape("path", { d: `${path(known, s.high)}${path(back, s.low).replace("M", "L")}Z`, stroke: "none", fill: color(s.color), opacity: 0.2 })] : [];
  }
  const ink = s.look === "bars" ? color("ink") : color(s.color);
  return known.map((k) => shape("line", { x1: X(s.x[k]), x2: X(s.x[k]), y1: Y(s.low[k]), y2: Y(s.high[k]), stroke: ink }));
}

function readout(picture, given, { box, X, left, right }, said) {
  const inside = (v) => v !== null && v >= left && v <= right;
  const places = [...new Set(given.series.flatMap((s) => s.x.filter(inside)))].sort((a, b) => a - b);
  const cursor = shape("line", { y1: box.t, y2: box.b, stroke: color("muted"), visibility: "hidden" });
  picture.append(cursor);
  let at = -1;
  const tell = (k) => {
    at = clamped(k, 0, places.length - 1);
    const place = places[at];
    cursor.setAttribute("x1", X(place));
    cursor.setAttribute("x2", X(place));
    cursor.setAttribute("visibility", "visible");
    const there = given.series.filter((s) => s.name && s.x.includes(place)).slice(0, 8);
    const label = (given.ticks || []).find((t) => t[0] === place);
    said.textContent = [label ? label[1] : `${spelled(place, 4)}`, ...there.map((s) => `${s.name}: ${spelled(s.y[s.x.indexOf(place)], 4)}`)].join("; ");
  };
  if (!places.length) return;
  picture.addEventListener("pointermove", (event) => {
    const x = event.clientX - picture.getBoundingClientRect().left;
    tell(places.reduce((best, p, k) => (Math.abs(X(p) - x) < Math.abs(X(places[best]) - x) ? k : best), 0));
  });
  picture.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, Home: -places.length, End: places.length }[event.key];
    if (!step) return;
    event.preventDefault();
    tell(at + step);
  });
}
