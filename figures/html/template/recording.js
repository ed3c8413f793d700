// A recording: raster, array and electrode, which follow each other.

function recording(holder, given) {
  const spikes = rasterOf(given);
  const controls = element("div", { class: "controls" });
  const [above, parts] = [element("div"), element("div", { class: "parts" })];
  const [map, detail] = [element("div", { class: "map" }), element("div", { class: "detail" })];
  parts.append(map, detail);
  holder.append(controls, above, element("p", { class: "note" }, thinning(given)), parts);
  const state = { selected: -1, stimulus: given.stimuli.length ? 0 : -1 };
  const showElectrode = electrodeView(detail, spikes, given);

  const told = (kind, k) => {
    if (kind === "hover") return raster.show({ hovered: k }), array.hover(k);
    state.selected = k;
    raster.show({ selected: k });
    array.select(k);
    showElectrode(k, state.stimulus);
  };
  const array = arrayMap(map, given, told);
  const raster = rasterView(above, spikes, given, told);
  const stimulate = (k) => {
    state.stimulus = k;
    const stimulus = given.stimuli[k];
    array.mark(stimulus ? stimulus.electrodes : []);
    raster.show({ marks: stimulus ? stimulus.times : [] });
    showElectrode(state.selected, k);
  };
  controls.append(...choices(given, raster, stimulate));
  stimulate(state.stimulus);
}

function choices(given, raster, stimulate) {
  const button = (text, label, act) => {
    const made = element("button", { type: "button", "aria-label": label, title: label }, text);
    made.addEventListener("click", act);
    return made;
  };
  const found = [];
  const select = (label, options, act) => {
    const chooser = element("select", {}, ...options.map((text, k) => element("option", { value: k }, text)));
    chooser.addEventListener("change", () => act(Number(chooser.value)));
    found.push(element("label", {}, label, chooser));
  };
  if (given.spans.length > 1) {
    select("Go to: ", ["all", ...given.spans.map((s) => s[0])], (k) => {
      if (!k) return raster.view(0, given.duration);
      raster.view(given.spans[k - 1][1], k < given.spans.length ? given.spans[k][1] : given.duration);
    });
  }
  if (given.stimuli.length) select("Stimulus: ", given.stimuli.map((s) => s.name), stimulate);
  found.push(button("+", "Zoom in", () => raster.zoom(0.5)), button("-", "Zoom out", () => raster.zoom(2)));
  found.push(button("All", "Whole recording", () => raster.view(0, given.duration)));
  return found;
}

// What the raster leaves out.
function thinning(given) {
  const [shown, all] = given.drawn.map((n) => n.toLocaleString("en"));
  const kept = "Rates, responses and intervals are those of all spikes.";
  const how = "Drag or use the arrow keys to move, + and - or ctrl and the wheel to zoom.";
  if (shown === all) return `All ${all} spikes are drawn. ${how}`;
  const every = given.spans.filter((s) => s[2] > 1).map((s) => `every ${nth(s[2])} spike of each electrode in ${s[0]}`);
  return `${shown} of ${all} spikes are drawn: ${every.join(", ")}; the rest in full. ${kept} ${how}`;
}

function nth(k) {
  return `${k}${{ 1: "st", 2: "nd", 3: "rd" }[Math.floor(k / 10) % 10 === 1 ? 0 : k % 10] || "th"}`;
}
