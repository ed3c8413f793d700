// A live dish: the array and the last seconds of its raster, as they happen; start, stop, step; a click stimulates.

const SHOWN = 10; // s, of the raster
const GLOW = 0.5; // s, for which an electrode glows after a spike
const EVERY = 100; // ms, from one question to the next

function live(given) {
  const main = document.getElementById("main");
  const state = { step: 0, spikes: [], pulses: [], running: false, ended: false };
  const discs = placed(given.positions);
  const canvas = element("canvas", { class: "raster", role: "img", "aria-label": "raster of the last seconds" });
  const said = element("output", { id: "said" });
  const amplitude = element("input", { type: "number", id: "amplitude", value: 30, min: 1, max: 1000, step: 1 });
  const button = (id, text, act) => {
    const made = element("button", { id, type: "button" }, text);
    made.addEventListener("click", act);
    return made;
  };
  const buttons = [
    button("start", "Start", () => send({ do: "start" })),
    button("stop", "Stop", () => send({ do: "stop" })),
    button("step", "Step", () => send({ do: "step" })),
  ];
  const bar = element("div", { class: "controls" }, ...buttons, element("label", {}, "Pulse (uA): ", amplitude));
  const note = element("p", { class: "note" }, "A click on an electrode stimulates it. Raster: the last 10 s, one row an electrode; orange: pulses.");
  main.append(bar, said, element("div", { class: "parts" }, element("div", { class: "map" }, discs.picture), element("div", {}, canvas)), note);
  discs.circles.forEach((circle, k) => {
    circle.setAttribute("tabindex", 0);
    circle.setAttribute("aria-label", `stimulate ${given.names[k]}`);
    const act = () => send({ do: "stimulate", electrode: k, amplitude_uA: Number(amplitude.value) });
    circle.addEventListener("click", act);
    circle.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") act();
    });
  });

  async function asked(path, options = {}) {
    const answer = await fetch(path, { ...options, headers: { "X-Token": given.token, "Content-Type": "application/json" } });
    const found = await answer.json();
    if (!answer.ok) throw new Error(found.error);
    return found;
  }
  async function send(command) {
    try {
      await asked("command", { method: "POST", body: JSON.stringify(command) });
    } catch (error) {
      tell(error.message);
    }
  }
  function tell(text) {
    said.textContent = text;
  }
  function take(news) {
    state.running = news.running;
    state.step = news.step;
    for (const kind of ["spikes", "pulses"]) {
      news[kind].step.forEach((step, k) => state[kind].push([step, news[kind].electrode[k]]));
      state[kind] = state[kind].filter(([step]) => step > news.step - SHOWN / given.dt);
    }
    document.documentElement.dataset.spikes = Number(document.documentElement.dataset.spikes || 0) + news.spikes.step.length;
    document.documentElement.dataset.pulses = Number(document.documentElement.dataset.pulses || 0) + news.pulses.step.length;
    document.documentElement.dataset.step = news.step;
    tell(`${(news.step * given.dt).toFixed(2)} s, ${news.running ? "running" : "stopped"}`);
  }
  function draw() {
    const last = new Map(state.spikes.map(([step, electrode]) => [electrode, step]));
    const pulsed = new Map(state.pulses.map(([step, electrode]) => [electrode, step]));
    discs.circles.forEach((circle, k) => {
      const age = (state.step - (last.get(k) ?? -Infinity)) * given.dt;
      circle.style.fill = mixed(VIRIDIS, Math.max(0, 1 - age / GLOW));
      circle.setAttribute("class", (state.step - (pulsed.get(k) ?? -Infinity)) * given.dt < GLOW ? "selected" : "");
    });
    const ratio = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth || 600, 360];
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    const row = height / given.positions.length;
    for (const [kind, name] of [["spikes", "after"], ["pulses", "published"]]) {
      context.fillStyle = `rgb(${rgb(name).join(",")})`;
      for (const [step, electrode] of state[kind]) {
        const x = width * (1 - ((state.step - step) * given.dt) / SHOWN);
        context.fillRect(x, electrode * row, 1.5, Math.max(1, row * 0.8));
      }
    }
  }
  async function go() {
    try {
      take(await asked(`state?since=${state.step}`));
      draw();
      setTimeout(go, EVERY);
    } catch {
      tell("The command has ended.");
      document.documentElement.dataset.ended = "yes";
      for (const made of buttons) made.disabled = true;
    }
  }
  document.documentElement.dataset.drawn = "all";
  go();
}

live(JSON.parse(document.getElementById("data").textContent));
