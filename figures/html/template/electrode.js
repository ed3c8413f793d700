// What one electrode did: its spikes in each trial, its responses (PSTH), its intervals (ISI).

function electrodeView(holder, spikes, given) {
  const isi = unpacked(given.isi);
  const stimuli = given.stimuli.map((s) => ({ ...s, response: s.response && unpacked(s.response) }));
  const middles = given.isiEdges.slice(1).map((edge, k) => Math.sqrt(edge * given.isiEdges[k]));
  return (k, chosen) => {
    holder.replaceChildren();
    if (k < 0) return holder.append(element("p", { class: "note" }, "Choose an electrode in the array or the raster: its spikes, responses and intervals appear here."));
    const [x, y] = given.positions[k];
    const where = given.known ? `, at ${spelled(x, 5)}, ${spelled(y, 5)} um` : "";
    const rate = given.counts[k] / given.duration;
    holder.append(element("h3", {}, given.names[k]), element("p", { class: "note" }, `${given.counts[k].toLocaleString("en")} spikes, ${spelled(rate)} Hz${where}`));
    holder.append(trials(spikes, given, k, stimuli[chosen]));
    const shown = stimuli.filter((s) => s.response);
    if (shown.length) titled(holder, "Responses (PSTH)", responsePlot(shown, k));
    const own = isi.slice(k * middles.length, (k + 1) * middles.length);
    const ends = [own.findIndex((v) => v), own.findLastIndex((v) => v) + 1];
    if (ends[1]) titled(holder, "Intervals between spikes (ISI)", { x: "interval (s)", y: "intervals", logX: true, ticks: null, levels: [], series: [{ name: "intervals", x: middles.slice(...ends), y: [...own.slice(...ends)], color: "after", look: "line", low: null, high: null }] });
  };
}

function titled(holder, title, data) {
  const figure = element("figure", { class: "plot" }, element("figcaption", {}, title));
  holder.append(figure);
  plot(figure, data);
}

function responsePlot(stimuli, k) {
  const series = stimuli.map((s, index) => {
    const n = s.edges.length - 1;
    const x = s.edges.slice(1).map((edge, i) => 500 * (edge + s.edges[i]));
    return { name: s.name, x, y: [...s.response.slice(k * n, (k + 1) * n)], color: index, look: "line", low: null, high: null };
  });
  return { x: "time from the stimulus (ms)", y: stimuli[0].unit, logX: false, ticks: null, levels: [], series };
}

// Spikes in lines: one a trial of the chosen stimulus, else the recording cut into equal lines.
function trials(spikes, given, k, stimulus) {
  const around = stimulus && (stimulus.edges ? [stimulus.edges[0], stimulus.edges[stimulus.edges.length - 1]] : [-0.05, 0.3]);
  const n = stimulus ? Math.min(60, stimulus.times.length) : 12;
  const length = stimulus ? around[1] - around[0] : given.duration / n;
  const starts = Array.from({ length: n }, (_, i) => (stimulus ? stimulus.times[i] + around[0] : i * length));
  const more = stimulus && stimulus.times.length > n ? `, the first ${n}` : "";
  const title = stimulus ? `Spikes around ${stimulus.name}, a line a trial${more}` : `Spikes, a line every ${spelled(length)} s`;
  const canvas = element("canvas", { class: "trials", role: "img", "aria-label": title });
  const left = stimulus ? `${spelled(around[0] * 1e3)} ms` : "0 s";
  const right = stimulus ? `${spelled(around[1] * 1e3)} ms` : `${spelled(length)} s`;
  const ends = element("div", { class: "bar" }, left, element("i"), right);
  ends.style.justifyContent = "space-between";
  const figure = element("figure", {}, element("figcaption", {}, title), canvas, ends);
  const draw = () => {
    const { context, width, height } = sized(canvas, clamped(n * 7, 50, 240));
    const row = height / n;
    context.fillStyle = `rgb(${rgb("line")})`;
    if (stimulus && around[0] < 0) context.fillRect((-around[0] / length) * width, 0, 1, height);
    context.fillStyle = `rgb(${rgb("after")})`;
    starts.forEach((start, line) => {
      for (let i = firstFrom(spikes.time, start); i < spikes.time.length && spikes.time[i] < start + length; i++) {
        if (spikes.of[i] === k) context.fillRect(((spikes.time[i] - start) / length) * width, line * row, Math.max(1, width / 700), Math.max(1, row * 0.8));
      }
    });
  };
  drawn(figure, draw);
  return figure;
}
